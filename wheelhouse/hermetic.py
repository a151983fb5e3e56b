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

from wheelhouse import console, images
from wheelhouse.engines import docker, host
from wheelhouse.engines.docker import Box
from wheelhouse.engines.host import Completed
from wheelhouse.engines.jobs import VARIABLE
from wheelhouse.errors import Kind, WheelhouseError
from wheelhouse.inner import FAILURE
from wheelhouse.products import Product, encode
from wheelhouse.sources import Component, Sources
from wheelhouse.store import Store, disk_space

PYTHON = "/opt/toolchain/bin/python"
CACHE, PROJECT = "/cache", "/project"
_HERE = Path(__file__).parent
_KINDS = ("cores", "extensions", "libraries", "delegates", "wheels")


def build(wheels: Sequence[Product], at: Sources) -> list[Path]:
    """The wheels, built in a container unless an earlier one did.

    Raises WheelhouseError when the engine, a step or the audit fails.
    """
    products = Store(at.store.root / "docker")
    with products.locked("build", "A container builds"):
        missing = [wheel for wheel in wheels if not _kept(products, wheel)]
        if missing:
            _run(missing, at, products)
        made = [_kept(products, wheel) for wheel in wheels]
    return [next(folder.glob("*.whl")) for folder in made if folder]


def _kept(products: Store, wheel: Product) -> Path | None:
    return products.kept("wheels", wheel.label, wheel.identity)


def _run(wheels: Sequence[Product], at: Sources, products: Store) -> None:
    client = docker.connect()
    image = images.builder(client, at)
    files = _project() | _sources(wheels, at) | _made(wheels, products)
    console.say(f"Building in a container of {image}")
    with docker.box(client, image, docker.limits(client)) as box:
        box.send(files)
        try:
            done = box.run(
                [PYTHON, "-m", "wheelhouse.inner", encode(wheels)],
                env=_environment(box),
                cwd=PROJECT,
                line=console.say,
            )
        finally:
            box.freeze()
            _fetch(box, (*_KINDS, "logs", "ccache"), products)
        if done.status == Kind.DISK:
            raise docker.disk_full()
        if done.status:
            raise _failure(box, products, done)


def _environment(box: Box) -> dict[str, str]:
    return {
        "WHEELHOUSE_CACHE": CACHE,
        VARIABLE: str(box.limits.processors),
        "CCACHE_DIR": f"{CACHE}/ccache",
        "CCACHE_MAXSIZE": "500M",
    }


def _project() -> dict[str, Path]:
    names = (_HERE.name, "native", "patches")
    return {f"{PROJECT}/{name}": _HERE.parent / name for name in names}


def _sources(wheels: Sequence[Product], at: Sources) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for component in _components(wheels):
        tree = at.tree(component)
        for path in (tree, at.store.seal(tree)):
            files[f"{CACHE}/trees/{path.name}"] = path
    return files


def _components(wheels: Sequence[Product]) -> list[Component]:
    return list({part.label: part for wheel in wheels for part in wheel.components}.values())


def _made(wheels: Sequence[Product], products: Store) -> dict[str, Path]:
    """What earlier containers left that these wheels can use."""
    files: dict[str, Path] = {}
    for wheel in wheels:
        kept = [(step, products.kept(step.kind, step.label, step.key)) for step in wheel.steps]
        for step, folder in kept:
            for path in (folder, products.seal(folder)) if folder else ():
                files[f"{CACHE}/{step.kind}/{path.name}"] = path
        compiles = any(step.large and not folder for step, folder in kept)
        if compiles and (products.root / "ccache").is_dir():
            files[f"{CACHE}/ccache"] = products.root / "ccache"
    return files


def _fetch(box: Box, kinds: Sequence[str], products: Store) -> None:
    with disk_space(products.root):
        products.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=products.root) as scratch:
            for kind in kinds:
                new = Path(scratch, kind)
                new.mkdir()
                box.fetch(f"{CACHE}/{kind}", new)
                _settle(new, products.root / kind, whole=kind == "ccache")


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


def _failure(box: Box, products: Store, done: Completed) -> WheelhouseError:
    with tempfile.TemporaryDirectory() as scratch:
        box.fetch(f"{CACHE}/{FAILURE}", Path(scratch))
        left = Path(scratch, FAILURE)
        if left.is_file():
            what, hint, kind = msgspec.json.decode(left.read_bytes())
            return WheelhouseError(what, hint.replace(CACHE, str(products.root)), Kind(kind))
    return host.failure(
        "The build in the container failed",
        done,
        products.log("container"),
        "Mend the cause and run the same command again.",
        kind=Kind.COMPILE,
    )
