"""The wheel of the TFLite runtime: a compiled extension module in upstream's Python package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from packaging.version import Version

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import extension
from wheelhouse.compile.core import Core
from wheelhouse.compile.extension import Extension
from wheelhouse.package import audit, wheel
from wheelhouse.package.wheel import CoreMetadata
from wheelhouse.sources.pins import Component
from wheelhouse.targets import matrix, versions
from wheelhouse.targets.matrix import Target

PROJECT = "tflite_runtime"

_PACKAGE = ROOT / "native" / PROJECT

_DESCRIPTION = """\
The TensorFlow Lite interpreter for Python, built for {linux}.

    from tflite_runtime.interpreter import Interpreter

This wheel is an independent build of the TensorFlow Lite sources.
"""

_SINCE = re.compile(r"  # since (\S+)$")


@dataclass(frozen=True)
class RuntimeWheel:
    """A ``tflite_runtime`` wheel for one target; built from ``checkout`` if that is given.

    ``tflite`` is the TFLite release, for example 2.14.1.
    """

    target: Target
    tflite: str
    xnnpack: bool
    checkout: Path | None = None
    trials: ClassVar = "runtime"
    compiled: ClassVar = True
    needs_runtime: ClassVar = False

    @property
    def extension(self) -> Extension:
        """The extension module that the wheel contains."""
        target = self.target
        core = Core(self.tflite, target.processor, target.floor, self.xnnpack, self.checkout)
        return Extension(core, target)

    @property
    def version(self) -> Version:
        """The PEP 440 version; a build with non-default options gets a +local label."""
        options = {"checkout": self.checkout, "noxnnpack": not self.xnnpack}
        label = ".".join(name for name, applies in options.items() if applies)
        version = versions.wheel_version(PROJECT, self.tflite)
        return Version(f"{version}+{label}") if label else version

    @property
    def metadata(self) -> CoreMetadata:
        """The core metadata; all that pip reads is equal for all wheels of a release."""
        architecture = self.target.architecture
        return CoreMetadata(
            package=PROJECT,
            version=self.version,
            summary=f"The TensorFlow Lite interpreter for {architecture.devices}",
            description=_DESCRIPTION.format(linux=architecture.linux),
            requires_python=f">={matrix.targets()[0].python}",
            requires_dist=tuple(requirements()),
            provides_extra=("armnn",),
        )

    @property
    def tag(self) -> str:
        """The Python tag and the ABI tag, for example ``cp311-cp311``."""
        return f"{self.target.tag}-{self.target.abi}"

    @property
    def processor(self) -> str:
        """The name of a row of architectures.toml."""
        return self.target.processor

    @property
    def floor(self) -> str:
        """The oldest version of its libc that the wheel supports, for example 2.17."""
        return self.target.floor

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems to verify the wheel on, by Debian suite or name."""
        return self.target.systems

    @property
    def boards(self) -> tuple[str, ...]:
        """The boards to verify the wheel as, by name."""
        return self.target.boards

    @property
    def label(self) -> str:
        """The name in messages and in the cache."""
        return f"{PROJECT}-{self.version}-{self.tag}-{self.processor}"

    @property
    def linked(self) -> list[Component]:
        """The components whose code is linked into the module."""
        return self.extension.linked

    @cached_property
    def step(self) -> Step:
        """The step whose folder holds the audited wheel."""
        needs = {
            "module": self.extension.step,
            "wrapper": self.extension.components["wrapper"].tree,
        }
        parameters = {"tflite": self.tflite, "abi3": self.target.abi3}
        return wheel.wheel_step(self, _pack, needs, parameters)

    @property
    def sanitized(self) -> Step:
        """The step whose folder holds the package as tests import it, with clang's sanitizers."""
        core = replace(self.extension.core, sanitize=True)
        needs = {
            "module": replace(self.extension, core=core).step,
            "wrapper": self.extension.components["wrapper"].tree,
        }
        parameters = {"tflite": self.tflite, "version": str(self.version)}
        return Step("sanitized", self.label, _write_package, needs, parameters)


def _pack(inputs: Inputs, folder: Path) -> None:
    parameters = inputs.parameters
    files = _files(inputs, parameters["metadata"]["version"])
    wheel.pack(inputs, folder, files, audit.stable_abi if parameters["abi3"] else _accept)


def _write_package(inputs: Inputs, folder: Path) -> None:
    package = folder / PROJECT
    package.mkdir()
    for name, content in _files(inputs, inputs.parameters["version"]).items():
        (package / name).write_bytes(content)


def _files(inputs: Inputs, version: str) -> dict[str, bytes]:
    """The files of the package, by name."""
    tflite = inputs.parameters["tflite"]
    module = f"{extension.MODULE}.so"
    python = inputs.needs["wrapper"] / "tensorflow" / "lite" / "python"
    return {
        "__init__.py": _init(version, tflite),
        module: (inputs.needs["module"] / module).read_bytes(),
        "interpreter.py": (python / "interpreter.py").read_bytes(),
        "metrics_interface.py": (python / "metrics" / "metrics_interface.py").read_bytes(),
        "metrics_portable.py": (python / "metrics" / "metrics_portable.py").read_bytes(),
        "xnnpack.py": (_PACKAGE / "xnnpack.py").read_bytes(),
        **types(tflite),
    }


def _accept(_: Path) -> None:
    """Accept any draft: a wheel for a single CPython may use all of that CPython's C API."""


def _init(version: str, tflite: str) -> bytes:
    """``__init__.py`` with the two constants that upstream's ``build_pip_package`` script adds.

    ``__git_version__`` is upstream's tag, as ``git describe`` prints it.
    """
    lines = (f"__version__ = '{version}'", f"__git_version__ = 'v{tflite}'")
    versions = "".join(f"{line}\n" for line in lines)
    return (_PACKAGE / "__init__.py").read_bytes() + f"\n\n{versions}".encode()


def types(tflite: str) -> dict[str, bytes]:
    """The stubs and ``py.typed`` of a TFLite release, by their names in the package.

    A stub's line that ends in ``# since 2.22`` is kept for that release and later ones only.
    """
    release = Version(tflite).release
    stubs = {}
    for path in (*_PACKAGE.glob("*.pyi"), _PACKAGE / "py.typed"):
        lines = [(line, _SINCE.search(line)) for line in path.read_text().splitlines()]
        kept = [
            _SINCE.sub("", line)
            for line, since in lines
            if not since or release >= Version(since[1]).release
        ]
        stubs[path.name] = "".join(f"{line}\n" for line in kept).encode()
    return stubs


def requirements() -> Iterator[str]:
    """The Requires-Dist entries: NumPy, and the delegate for the extra ``armnn``.

    The oldest NumPy of each Python is matrix.toml's. A module that is compiled with the headers of
    NumPy 2 runs with every NumPy 2.
    """
    (_, oldest), *rest = matrix.matrix().numpy.items()
    yield f"numpy>={oldest},<3"
    for python, numpy in rest:
        yield f'numpy>={numpy}; python_version >= "{python}"'
    yield 'tflite-armnn-delegate; extra == "armnn"'
