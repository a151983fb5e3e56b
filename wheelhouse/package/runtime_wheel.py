"""The wheel of the TFLite runtime: a CPython module in upstream's package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import extension
from wheelhouse.compile.core import Core
from wheelhouse.compile.extension import Extension
from wheelhouse.package import audit, wheel
from wheelhouse.package.wheel import About
from wheelhouse.sources.pins import Component
from wheelhouse.targets import matrix, versions
from wheelhouse.targets.matrix import Target

PROJECT = "tflite_runtime"

_PACKAGE = ROOT / "native" / PROJECT

_DESCRIPTION = """\
The TensorFlow Lite interpreter for Python, built for 64-bit Raspberry Pi OS.

    from tflite_runtime.interpreter import Interpreter

This wheel is an independent build of the TensorFlow Lite sources.
"""

_SINCE = re.compile(r"  # since (\S+)$")


@dataclass(frozen=True)
class Wheel:
    """A ``tflite_runtime`` wheel for one target, of ``checkout`` or of the pinned sources."""

    target: Target
    tflite: str
    xnnpack: bool
    checkout: Path | None = None

    @property
    def extension(self) -> Extension:
        """The module inside."""
        target = self.target
        core = Core(self.tflite, target.processor, target.floor, self.xnnpack, self.checkout)
        return Extension(core, target)

    @property
    def version(self) -> Version:
        """Its PEP 440 version; a build with non-default options gets a +local label."""
        unusual = {"checkout": self.checkout, "noxnnpack": not self.xnnpack}
        label = ".".join(name for name, applies in unusual.items() if applies)
        version = versions.wheel_version(PROJECT, self.tflite)
        return Version(f"{version}+{label}") if label else version

    @property
    def about(self) -> About:
        """Its core metadata; Requires-Python is equal across a release."""
        return About(
            package=PROJECT,
            version=self.version,
            summary="The TensorFlow Lite interpreter for Raspberry Pi",
            description=_DESCRIPTION,
            python=f">={matrix.targets()[0].python}",
            requires=tuple(requirements()),
            extras=("armnn",),
        )

    @property
    def tag(self) -> str:
        """The Python and the ABI that it is for, as in ``cp311-cp311``."""
        return f"{self.target.tag}-{self.target.abi}"

    @property
    def processor(self) -> str:
        """The processor that it is for."""
        return self.target.processor

    @property
    def floor(self) -> str:
        """The oldest glibc that it needs, for example 2.17."""
        return self.target.floor

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems to try it on, by Debian suite or name."""
        return self.target.systems

    @property
    def label(self) -> str:
        """Its name for readers."""
        return f"{PROJECT}-{self.version}-{self.tag}-{self.processor}"

    @property
    def linked(self) -> list[Component]:
        """The components whose code is in it."""
        return self.extension.linked

    @property
    def step(self) -> Step:
        """The folder with the audited wheel."""
        needs = {
            "module": self.extension.step,
            "wrapper": self.extension.components["wrapper"].tree,
        }
        parameters = {"tflite": self.tflite, "abi3": self.target.abi3}
        return wheel.wheel(self, _pack, needs, parameters)


def _pack(inputs: Inputs, folder: Path) -> None:
    told = inputs.parameters
    module = f"{extension.MODULE}.so"
    python = inputs.needs["wrapper"] / "tensorflow" / "lite" / "python"
    files = {
        "__init__.py": _init(told["about"]["version"], told["tflite"]),
        module: (inputs.needs["module"] / module).read_bytes(),
        "interpreter.py": (python / "interpreter.py").read_bytes(),
        "metrics_interface.py": (python / "metrics" / "metrics_interface.py").read_bytes(),
        "metrics_portable.py": (python / "metrics" / "metrics_portable.py").read_bytes(),
        **types(told["tflite"]),
    }
    wheel.pack(inputs, folder, files, audit.stable_abi if told["abi3"] else _no_more)


def _no_more(_: Path) -> None:
    """The module keeps to its own CPython: there is nothing else to check."""


def _init(version: str, tflite: str) -> bytes:
    """Ours, with what upstream's own script writes: the tag is that of ``git describe``."""
    lines = (f"__version__ = '{version}'", f"__git_version__ = 'v{tflite}'")
    versions = "".join(f"{line}\n" for line in lines)
    return (_PACKAGE / "__init__.py").read_bytes() + f"\n\n{versions}".encode()


def types(tflite: str) -> dict[str, bytes]:
    """What tells type checkers of the package of a TFLite release, by the files' names in it.

    A line that ends in ``# since 2.22`` is for that release and later ones.
    """
    release = Version(tflite).release
    made = {}
    for path in (*_PACKAGE.glob("*.pyi"), _PACKAGE / "py.typed"):
        lines = [(line, _SINCE.search(line)) for line in path.read_text().splitlines()]
        kept = [
            _SINCE.sub("", line)
            for line, since in lines
            if not since or release >= Version(since[1]).release
        ]
        made[path.name] = "".join(f"{line}\n" for line in kept).encode()
    return made


def requirements() -> Iterator[str]:
    """What pip must choose NumPy by, and the delegate that the extra asks for.

    What is built for NumPy 2's headers serves all of 2.
    """
    (_, oldest), *rest = matrix.matrix().numpy.items()
    yield f"numpy>={oldest},<3"
    for python, numpy in rest:
        yield f'numpy>={numpy}; python_version >= "{python}"'
    yield 'tflite-armnn-delegate; extra == "armnn"'
