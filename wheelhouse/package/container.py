"""Build wheels in a container that has no network.

1. Every source is fetched, checked, unpacked and patched here.
2. It goes into a container of the builder image, with this project and what earlier containers
   made; there the steps run as they do on this machine.
3. What is new comes back. It is kept apart from what this machine compiled itself, so that one can
   be compared with the other.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.jobs import VARIABLE
from wheelhouse.common.process import Completed
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Step, get_or_make, is_cached, plan
from wheelhouse.common.store import Store, disk_space
from wheelhouse.machines import docker, images
from wheelhouse.machines.docker import Box
from wheelhouse.package import products
from wheelhouse.package.container_main import FAILURE
from wheelhouse.package.products import Product
from wheelhouse.sources.fetch import Fetcher

PYTHON = "/opt/toolchain/bin/python"
MAIN = (PYTHON, "-m", "wheelhouse.package.container_main")
CACHE, PROJECT = "/cache", "/project"
_SENT = ("wheelhouse", "native", "patches")
_OURS = ("trees", "toolchains")
"""The kinds of steps whose outputs are made here, or in no time, and not fetched."""


def build(wanted: Sequence[Product], fetcher: Fetcher) -> list[Path]:
    """The wheels, built in a container unless an earlier one did.

    Raises WheelhouseError when the engine, a step or the audit fails.
    """
    made = Store(fetcher.store.root / "docker")
    with made.locked("build", "A container builds"):
        missing = [product for product in wanted if not is_cached(product.step, made)]
        if missing:
            _run(missing, fetcher, made)
        folders = [is_cached(product.step, made) for product in wanted]
    return [products.file(folder) for folder in folders if folder]


def _run(wanted: Sequence[Product], fetcher: Fetcher, made: Store) -> None:
    client = docker.connect()
    image = images.builder(client, fetcher)
    steps = [product.step for product in wanted]
    files = {f"{PROJECT}/{name}": ROOT / name for name in _SENT} | _cached(steps, fetcher, made)
    console.say(f"Building in a container of {image}")
    with docker.box(client, image, docker.limits(client)) as box:
        box.send(files)
        try:
            done = box.run(
                [*MAIN, *(product.label for product in wanted)],
                env=_environment(box),
                cwd=PROJECT,
                line=console.say,
            )
        finally:
            box.freeze()
            kinds = {step.kind: None for step in plan(*steps) if step.kind not in _OURS}
            _fetch(box, (*kinds, "logs", "ccache"), made)
        if done.status == Kind.DISK:
            raise docker.disk_full()
        if done.status:
            raise _failure(box, made, done)


def _environment(box: Box) -> dict[str, str]:
    return {
        "WHEELHOUSE_CACHE": CACHE,
        VARIABLE: str(box.limits.processors),
        "CCACHE_DIR": f"{CACHE}/ccache",
        "CCACHE_MAXSIZE": "500M",
    }


def _cached(steps: Sequence[Step], fetcher: Fetcher, made: Store) -> dict[str, Path]:
    """What the steps need of this machine and of earlier containers, by its place in the cache."""
    files: dict[str, Path] = {}
    compiles = False
    for step in _needed(steps, made):
        store = fetcher.store if step.kind in _OURS else made
        folder = get_or_make(step, fetcher) if step.kind == "trees" else is_cached(step, made)
        compiles |= step.resume and not folder
        for path in (folder, store.seal(folder)) if folder else ():
            files[f"{CACHE}/{step.kind}/{path.name}"] = path
    if compiles and (made.root / "ccache").is_dir():
        files[f"{CACHE}/ccache"] = made.root / "ccache"
    return files


def _needed(steps: Sequence[Step], made: Store) -> list[Step]:
    """The steps, and what those of them need that no earlier container made."""
    found: dict[str, Step] = {}
    todo = list(steps)
    while todo:
        step = todo.pop()
        if step.key not in found:
            found[step.key] = step
            if not is_cached(step, made):
                todo += [need for need in step.needs.values() if isinstance(need, Step)]
    return list(found.values())


def _fetch(box: Box, kinds: Sequence[str], made: Store) -> None:
    with disk_space(made.root):
        made.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.root) as scratch:
            for kind in kinds:
                new = Path(scratch, kind)
                new.mkdir()
                box.fetch(f"{CACHE}/{kind}", new)
                _settle(new, made.root / kind, whole=kind == "ccache")


def _settle(new: Path, final: Path, whole: bool) -> None:
    """Rename what came back into its place; half-made folders stay behind."""
    if whole:
        if any(new.iterdir()):
            shutil.rmtree(final, ignore_errors=True)
            new.rename(final)
        return
    final.mkdir(exist_ok=True)
    finished = [path for path in new.iterdir() if not path.name.endswith(".partial")]
    for path in sorted(finished, key=lambda path: path.is_dir()):
        if not (final / path.name).is_dir():
            path.rename(final / path.name)


def _failure(box: Box, made: Store, done: Completed) -> WheelhouseError:
    with tempfile.TemporaryDirectory() as scratch:
        box.fetch(f"{CACHE}/{FAILURE}", Path(scratch))
        left = Path(scratch, FAILURE)
        if left.is_file():
            what, hint, kind = msgspec.json.decode(left.read_bytes())
            return WheelhouseError(what, hint.replace(CACHE, str(made.root)), Kind(kind))
    return process.failure(
        "The build in the container failed",
        done,
        made.log("container"),
        "Mend the cause and run the same command again.",
        kind=Kind.COMPILE,
    )
