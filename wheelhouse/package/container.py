"""Build wheels in a container that has no network.

1. Every source is fetched, verified, unpacked and patched on this machine.
2. The sources are copied into a container of the builder image, with this project and the outputs
   of earlier containers; there the steps run as they do on this machine.
3. New outputs are copied back into a store of their own, so that they can be compared with what
   this machine compiled itself.
"""

from __future__ import annotations

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
from wheelhouse.compile import shared_cache
from wheelhouse.machines import docker, images
from wheelhouse.machines.docker import Box
from wheelhouse.package import products
from wheelhouse.package.container_main import FAILURE
from wheelhouse.package.products import Product
from wheelhouse.sources.fetch import Fetcher

PYTHON = "/opt/toolchain/bin/python"
MAIN = (PYTHON, "-m", "wheelhouse.package.container_main")
CACHE, PROJECT = "/cache", "/project"
_PROJECT_FOLDERS = ("wheelhouse", "native", "patches")
_NOT_FETCHED = ("trees", "toolchains")
"""The kinds of steps whose outputs this machine makes, or any machine in milliseconds."""


def build(wanted: Sequence[Product], fetcher: Fetcher) -> list[Path]:
    """The wheels of these products, built in a container unless an earlier one built them.

    Raises WheelhouseError if the engine, a step or an audit fails.
    """
    store = Store(fetcher.store.root / "docker")
    with store.locked("build", "A container builds"):
        missing = [product for product in wanted if not is_cached(product.step, store)]
        if missing:
            _run(missing, fetcher, store)
        folders = [is_cached(product.step, store) for product in wanted]
    return [products.wheel_in(folder) for folder in folders if folder]


def _run(wanted: Sequence[Product], fetcher: Fetcher, store: Store) -> None:
    client = docker.connect()
    image = images.builder(client, fetcher)
    steps = [product.step for product in wanted]
    files = {f"{PROJECT}/{name}": ROOT / name for name in _PROJECT_FOLDERS} | _cached(
        steps, fetcher, store
    )
    if shared_cache.named():
        console.say(f"A container has no network: {shared_cache.ADDRESS} is not used")
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
            kinds = {step.kind: None for step in plan(*steps) if step.kind not in _NOT_FETCHED}
            _fetch(box, (*kinds, "logs"), store)
        if done.status == Kind.DISK:
            raise docker.disk_full()
        if done.status:
            raise _failure(box, store, done)


def _environment(box: Box) -> dict[str, str]:
    return {"WHEELHOUSE_CACHE": CACHE, VARIABLE: str(box.limits.processors)}


def _cached(steps: Sequence[Step], fetcher: Fetcher, store: Store) -> dict[str, Path]:
    """The outputs that the steps need and that exist, by their paths in the container's cache."""
    files: dict[str, Path] = {}
    for step in _needed(steps, store):
        owner = fetcher.store if step.kind in _NOT_FETCHED else store
        folder = get_or_make(step, fetcher) if step.kind == "trees" else is_cached(step, store)
        for path in (folder, owner.seal(folder)) if folder else ():
            files[f"{CACHE}/{step.kind}/{path.name}"] = path
    return files


def _needed(steps: Sequence[Step], store: Store) -> list[Step]:
    """The steps, and all steps that must be made or copied for them."""
    needed: dict[str, Step] = {}
    pending = list(steps)
    while pending:
        step = pending.pop()
        if step.key not in needed:
            needed[step.key] = step
            if not is_cached(step, store):
                pending += [need for need in step.needs.values() if isinstance(need, Step)]
    return list(needed.values())


def _fetch(box: Box, kinds: Sequence[str], store: Store) -> None:
    with disk_space(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store.root) as scratch:
            for kind in kinds:
                new = Path(scratch, kind)
                new.mkdir()
                box.fetch(f"{CACHE}/{kind}", new)
                _settle(new, store.root / kind)


def _settle(new: Path, final: Path) -> None:
    """Move fetched outputs that the store lacks there, without incomplete (``.partial``) ones."""
    final.mkdir(exist_ok=True)
    finished = [path for path in new.iterdir() if not path.name.endswith(".partial")]
    for path in sorted(finished, key=lambda path: path.is_dir()):
        if not (final / path.name).is_dir():
            path.rename(final / path.name)


def _failure(box: Box, store: Store, done: Completed) -> WheelhouseError:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(FAILURE)
        box.fetch(f"{CACHE}/{path.parent}", Path(scratch))
        failure = Path(scratch, path.name)
        if failure.is_file():
            what, hint, kind = msgspec.json.decode(failure.read_bytes())
            return WheelhouseError(what, hint.replace(CACHE, str(store.root)), Kind(kind))
    return process.failure(
        "The build in the container failed",
        done,
        store.log("container"),
        "Correct the cause and run the same command again.",
        kind=Kind.COMPILE,
    )
