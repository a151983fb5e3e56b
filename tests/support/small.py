"""``./inv`` of a checkout whose wheels are small: three of libraries of one file each, one of none.

Everything but what is built and tried is the project's own. It is run by ``python -m`` in the
checkout's folder.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support import REPO
from wheelhouse import pipeline, program, record, workflow
from wheelhouse.common.step import Inputs, Step
from wheelhouse.common.store import tree_digest
from wheelhouse.compile import library
from wheelhouse.package import products
from wheelhouse.publish import site
from wheelhouse.sources.pins import Artefact, Component, Pin

LABELS = ("small_runtime-1-a", "small_runtime-1-b", "small_delegate-1", "small_app-1")

_SOURCE = "const char *name = NAME __FILE__;\n"


def small(folder: Path) -> None:
    """Lay a checkout of the small project, with an ./inv, into an empty folder."""
    (folder / "sources").mkdir(parents=True)
    (folder / "sources" / "one.cc").write_text(_SOURCE)
    start = (
        f'cd "$(dirname "$0")" && PYTHONPATH={REPO} exec {sys.executable} -m tests.support.small'
    )
    (folder / "inv").write_text(f'#!/bin/sh\n{start} "$@"\n')
    (folder / "inv").chmod(0o755)


@dataclass(frozen=True)
class Small:
    """A wheel that holds static libraries."""

    label: str
    sources: tuple[str, ...]
    systems: tuple[str, ...] = ("bookworm",)
    processor: str = "aarch64"

    @property
    def metadata(self) -> Any:
        """Whose wheel it is."""
        return SimpleNamespace(package=self.label.partition("-")[0])

    @property
    def step(self) -> Step:
        """The folder with the wheel."""
        needs = {name: _library(name) for name in self.sources}
        return Step("wheels", self.label, pack, needs, {"label": self.label})


def pack(inputs: Inputs, folder: Path) -> None:
    with zipfile.ZipFile(folder / f"{inputs.parameters['label']}.whl", "w") as wheel:
        for name, made in inputs.needs.items():
            wheel.writestr(zipfile.ZipInfo(name), library.static_library(made).read_bytes())


def archive(inputs: Inputs, folder: Path) -> None:
    name = inputs.parameters["component"]
    library.archive(
        inputs, folder, chosen={"one.cc": f'-DNAME=\\"{name}\\"'}, flags=(), includes=()
    )


def _library(name: str) -> Step:
    folder = Path("sources").absolute()
    pin = Pin(
        "1",
        "MIT",
        (Artefact(at_most=1, url="https://example.org/a.tar"),),
        tree=tree_digest(folder),
    )
    return library.library(Component(name, pin, folder), (), "aarch64", "2.17", archive)


def every() -> list[Any]:
    first, second, delegate, app = LABELS
    return [
        Small(first, ("core",)),
        Small(second, ("core",)),
        Small(delegate, ("left", "right")),
        Small(app, ()),
    ]


def beside(product: Small) -> list[Small]:
    return every()[:1] if product.label in LABELS[2:] else []


def check(wheels: Sequence[Path], *_: object) -> None:
    for path in wheels:
        assert product_needs(path) <= {each.name for each in path.parent.iterdir()}
        record.path_for(path).write_text("tried")


def index(folders: Sequence[Path], *_: object) -> None:
    """Take what ``check`` tried."""
    for path in (each for folder in folders for each in folder.glob("*.whl")):
        assert record.path_for(path).read_text() == "tried"


def product_needs(path: Path) -> set[str]:
    """The wheels that must lie beside a wheel."""
    (product,) = (each for each in every() if path.name == f"{each.label}.whl")
    return {f"{other.label}.whl" for other in beside(product)}


def main(words: list[str]) -> int:
    """Run a task of the project for the small wheels."""
    for module, name, value in (
        (products, "every", every),
        (workflow, "published", every),
        (products, "companions", beside),
        (pipeline, "verify", check),
        (site, "make", index),
        (pipeline, "WHEELS", Path("wheels").absolute()),
    ):
        setattr(module, name, value)
    return program.main([f"--wheel={word}" if word.endswith(".whl") else word for word in words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
