"""Build wheels in a container that has no network.

1. Every source is fetched, verified, unpacked and patched on this machine.
2. The engine keeps these sources and the outputs of earlier containers in volumes, so each is sent
   once. A container of the builder image gets those that its steps need, and this project; there
   the steps run as they do on this machine.
3. New outputs are copied back into a store of their own, so that they can be compared with what
   this machine compiled itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.jobs import VARIABLE
from wheelhouse.common.process import Completed
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Step, get_or_make, is_cached
from wheelhouse.common.store import Store, disk_space
from wheelhouse.compile import distributed, shared_cache
from wheelhouse.machines import docker, images, volumes
from wheelhouse.machines.docker import LABEL, Box
from wheelhouse.machines.volumes import Kept
from wheelhouse.package import products
from wheelhouse.package.container_main import FAILURE
from wheelhouse.package.products import Product
from wheelhouse.sources.fetch import Fetcher

PYTHON = "/opt/toolchain/bin/python"
MAIN = (PYTHON, "-m", "wheelhouse.package.container_main")
CACHE, PROJECT = "/cache", "/project"
_PROJECT_FOLDERS = ("wheelhouse", "native", "patches")
_OF_THIS_MACHINE = ("trees", "checkouts")
"""The kinds of steps whose outputs this machine makes."""


def build(wanted: Sequence[Product], fetcher: Fetcher, checkout: Step | None = None) -> list[Path]:
    """The wheels of these products, built in a container unless an earlier one built them.

    ``checkout``, from :func:`pins.checkout`, is what they are built from, if not from the pinned
    sources. Raises WheelhouseError if the engine, a step or an audit fails.
    """
    store = Store(fetcher.store.root / "docker")
    with store.locked("build", "A container builds"):
        missing = [product for product in wanted if not is_cached(product.step, store)]
        if missing:
            _run(missing, fetcher, store, checkout)
        folders = [is_cached(product.step, store) for product in wanted]
    return [products.wheel_in(folder) for folder in folders if folder]


def _run(wanted: Sequence[Product], fetcher: Fetcher, store: Store, checkout: Step | None) -> None:
    client = docker.connect()
    image = images.builder(client, fetcher)
    made, ready = _split([product.step for product in wanted], store)
    kept, files = _kept([*ready, *([checkout] if checkout else [])], fetcher, store)
    files |= {f"{PROJECT}/{name}": ROOT / name for name in _PROJECT_FOLDERS}
    kinds = dict.fromkeys((*(step.kind for step in made), "logs"))
    options = ["--checkout", _path(checkout)] if checkout else []
    for module in (shared_cache, distributed):
        if module.named():
            console.say(f"A container has no network: {module.ADDRESS} is not used")
    console.say(f"Building in a container of {image}")
    with volumes.box(client, image, docker.limits(client), kept) as box:
        box.send(files)
        try:
            done = box.run(
                [*MAIN, *options, *(product.label for product in wanted)],
                env=_environment(box),
                cwd=PROJECT,
                line=console.say,
            )
        except BaseException:
            with suppress(WheelhouseError):  # the first failure is the one to report
                _fetch(box, kinds, store)
            raise
        _fetch(box, kinds, store)
        if done.status == Kind.DISK:
            raise docker.disk_full()
        if done.status:
            raise _failure(box, store, done)


def _environment(box: Box) -> dict[str, str]:
    return {"WHEELHOUSE_CACHE": CACHE, VARIABLE: str(box.limits.processors)}


def _split(steps: Sequence[Step], store: Store) -> tuple[list[Step], list[Step]]:
    """The steps to make for these in the container, and those that make their inputs."""
    made: dict[str, Step] = {}
    ready: dict[str, Step] = {}
    pending = list(steps)
    while pending:
        step = pending.pop()
        if step.key in made or step.key in ready:
            continue
        if step.kind in _OF_THIS_MACHINE or is_cached(step, store):
            ready[step.key] = step
        else:
            made[step.key] = step
            pending += step.steps
    return list(made.values()), list(ready.values())


def _kept(
    steps: Sequence[Step], fetcher: Fetcher, store: Store
) -> tuple[dict[str, Kept], dict[str, Path]]:
    """The outputs of steps and their seals, by their paths in the container.

    An output is checked here before it is sent, and against its seal before it is used there.
    """
    kept, seals = {}, {}
    for step in steps:
        owner = fetcher.store if step.kind in _OF_THIS_MACHINE else store
        folder = owner.path(step.entry)
        seal = owner.seal(folder)
        if not (folder.is_dir() and seal.is_file()):
            get_or_make(step, fetcher)
        kept[_path(step)] = Kept(
            volume=f"{LABEL}-{step.kind}-{folder.name}-{seal.read_text()[:8]}",
            key=step.key[:16],
            folder=partial(get_or_make, step, replace(fetcher, store=owner)),
        )
        seals[f"{CACHE}/{step.kind}/{seal.name}"] = seal
    return kept, seals


def _path(step: Step) -> str:
    """The path of a step's output in the container."""
    return f"{CACHE}/{step.kind}/{step.entry.folder}"


def _fetch(box: Box, kinds: Iterable[str], store: Store) -> None:
    """Stop the container's processes and copy finished outputs of these kinds into the store.

    Unfinished ones are removed before: they may hold links that no archive may have.
    """
    box.run(["sh", "-c", f"rm -rf {CACHE}/*/*.partial"], cwd=PROJECT)
    box.freeze()
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
