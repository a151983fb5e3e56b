"""The wheel of a program in ``apps/``: its modules as they are, for every CPython from 3.7 on."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.version import Version

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.package import models_wheel, sbom, wheel
from wheelhouse.package.pure_wheel import PureWheel
from wheelhouse.package.wheel import CoreMetadata

_APPS = ROOT / "apps"
_LICENSE = "Apache-2.0"


@dataclass(frozen=True)
class AppWheel(PureWheel):
    """A wheel with the import package ``package``; ``trials`` are those that verify it.

    ``summary`` and ``requires`` are the metadata's. ``README.md`` in the package's folder is its
    description, ``__version__`` its version.
    """

    trials: str
    summary: str
    requires: tuple[str, ...] = ("numpy",)

    @property
    def folder(self) -> Path:
        """The folder of the package."""
        return _APPS / self.package

    @cached_property
    def metadata(self) -> CoreMetadata:
        """The core metadata. NumPy may be any: the runtimes say which they take."""
        return CoreMetadata(
            package=self.package,
            version=_version(self.folder / "__init__.py"),
            summary=self.summary,
            description=(self.folder / "README.md").read_text(encoding="utf-8"),
            requires_python=">=3.7",
            requires_dist=self.requires,
        )

    @cached_property
    def step(self) -> Step:
        """The step whose folder holds the wheel."""
        modules = {path.name: path for path in sorted(self.folder.glob("*.py"))}
        step = Step(
            kind="wheels",
            label=self.label,
            recipe=_pack,
            needs={**modules, "licence": ROOT / "LICENSE"},
            parameters={
                "metadata": self.metadata.parameters,
                "license": _LICENSE,
                "modules": list(modules),
            },
        )
        return sbom.listed(step, _LICENSE, compiled=False)


def apps() -> tuple[AppWheel, ...]:
    """All programs."""
    return (
        AppWheel("tflite_bench", "bench", "How fast is a TensorFlow Lite model on this board?"),
        AppWheel(
            "tflite_examples",
            "examples",
            "TensorFlow Lite on a Raspberry Pi, by example: faces, objects, poses, words",
            (
                *("numpy", "pillow>=5.4"),
                *(each.metadata.package.replace("_", "-") for each in models_wheel.wheels()),
            ),
        ),
    )


def _version(path: Path) -> Version:
    """The ``__version__`` that a module assigns; raises LookupError if it has none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return Version(ast.literal_eval(node.value))
    raise LookupError(f"{path} has no __version__")


def _pack(inputs: Inputs, folder: Path) -> None:
    metadata = CoreMetadata.from_parameters(inputs.parameters["metadata"])
    files = {name: inputs.needs[name].read_bytes() for name in inputs.parameters["modules"]}
    licenses = {"tflite-wheelhouse/LICENSE": inputs.needs["licence"].read_bytes()}
    wheel.pack_pure(
        metadata,
        [inputs.parameters["license"]],
        licenses,
        files,
        inputs.parameters["sbom"],
        folder,
    )
