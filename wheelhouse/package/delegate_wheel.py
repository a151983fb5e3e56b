"""The wheel of the Arm NN delegate: one self-contained shared library, for every Python.

Arm Compute Library, Arm NN and the parts of TFLite that they call are compiled separately, then
linked.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from ninja.ninja_syntax import Writer

from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import arm_compute, armnn, cxx, library, ninja, toolchain
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.package import audit, wheel
from wheelhouse.package.wheel import CoreMetadata
from wheelhouse.sources import pins
from wheelhouse.sources.pins import Component
from wheelhouse.targets import versions

PROJECT = "tflite_armnn_delegate"
LIBRARY = "libarmnnDelegate.so"

EXPORTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
"""The functions by which TFLite creates and destroys an external delegate."""

_PACKAGE = ROOT / "native" / PROJECT
_SCRIPT = f"{{ global: {'; '.join(EXPORTS)}; local: *; }};\n"
_QUAD = ROOT / "native" / "quad.cc"
_LINK_FLAGS = (
    *toolchain.LINK_FLAGS,
    f"-Wl,-soname,{LIBRARY}",
    "-Wl,-z,defs",
    "-Wl,--version-script=exports.map",
)

_DESCRIPTION = """\
Arm NN's delegate for TensorFlow Lite, built for 64-bit Raspberry Pi OS.

    import tflite_armnn_delegate, tflite_runtime.interpreter as tfl

    delegate = tflite_armnn_delegate.load(num_threads=4)
    interpreter = tfl.Interpreter("model.tflite", experimental_delegates=[delegate])

This wheel is an independent build of the sources of Arm NN and Arm Compute Library.
"""


_PARTS = ("armnn", "armnn-delegate", "tflite-c", "arm-compute-library")
"""The components to link, in the linker's order."""


@dataclass(frozen=True)
class DelegateWheel:
    """A ``tflite_armnn_delegate`` wheel; ``floor`` is the oldest glibc it supports, as in 2.17.

    ``processor`` is the name of a row of architectures.toml; ``systems`` are those to verify the
    wheel on, by Debian suite or name, as each of ``boards``.
    """

    processor: str
    floor: str
    systems: tuple[str, ...]
    boards: tuple[str, ...]
    trials: ClassVar = "delegate"
    compiled: ClassVar = True
    needs_runtime: ClassVar = True

    @property
    def metadata(self) -> CoreMetadata:
        """The core metadata."""
        return CoreMetadata(
            package=PROJECT,
            version=versions.wheel_version(PROJECT, pins.shared("armnn").pin.version),
            summary="The Arm NN delegate for TensorFlow Lite on Raspberry Pi",
            description=_DESCRIPTION,
            requires_python=">=3.7",
        )

    @property
    def tag(self) -> str:
        """The Python tag and the ABI tag of a wheel for every Python 3."""
        return "py3-none"

    @property
    def label(self) -> str:
        """The name in messages and in the cache."""
        return f"{PROJECT}-{self.metadata.version}-{self.processor}"

    @property
    def link(self) -> Step:
        """The step whose folder holds the shared library."""
        parts = (armnn.backends, armnn.delegate, armnn.tflite, arm_compute.kernels)
        makers = dict(zip((*_PARTS, "toolchain"), (*parts, toolchain.toolchain), strict=True))
        needs = {name: make(self.processor, self.floor) for name, make in makers.items()}
        label, kept = f"armnn-delegate-{self.processor}", cxx.libraries(self.processor, self.floor)
        return Step("delegates", label, _link, needs, cache=kept)

    @property
    def linked(self) -> list[Component]:
        """The components whose code is linked into the library."""
        flatbuffers = pins.release_components(armnn.FLATBUFFERS)["flatbuffers"]
        return [*map(pins.shared, _PARTS), flatbuffers]

    @cached_property
    def step(self) -> Step:
        """The step whose folder holds the audited wheel."""
        return wheel.wheel_step(self, _pack, {"library": self.link})


def _link(inputs: Inputs, folder: Path) -> None:
    (folder / "exports.map").write_text(_SCRIPT)
    (folder / "build.ninja").write_text(_ninja(inputs))
    log = inputs.store.log("armnn-delegate")
    ninja.build(folder, f"Linking {LIBRARY}", log, ninja.environment(inputs.store))
    for path in folder.iterdir():
        if path.name != LIBRARY:
            path.unlink()


def _ninja(inputs: Inputs) -> str:
    """The build file. Arm NN is linked whole: nothing refers to its self-registering backends.

    So is the delegate, of which only TFLite calls the exported functions.
    """
    tools = Toolchain(inputs.needs["toolchain"])
    libraries = (str(plain_path(library.static_library(inputs.needs[name]))) for name in _PARTS)
    backends, entries, *rest = libraries
    words = ("-Wl,--whole-archive", backends, entries, "-Wl,--no-whole-archive", *rest)
    text = io.StringIO()
    rules = Writer(text, width=10_000)  # type: ignore[arg-type]
    flags = " ".join(toolchain.COMPILE_FLAGS)
    rules.rule("cxx", f"{tools.cxx} {flags} -c $in -o $out")
    rules.rule("link", f"{tools.cxx} {' '.join((*_LINK_FLAGS, *words))} $in -o $out")
    sources = (*toolchain.SOURCES, _QUAD)
    for source in sources:
        rules.build([f"{source.stem}.o"], "cxx", [str(plain_path(source))])
    rules.build([LIBRARY], "link", [f"{source.stem}.o" for source in sources])
    return text.getvalue()


def _pack(inputs: Inputs, folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in _PACKAGE.iterdir() if path.is_file()}
    files[LIBRARY] = (inputs.needs["library"] / LIBRARY).read_bytes()
    processor = inputs.parameters["processor"]
    wheel.pack(inputs, folder, files, lambda draft: _audit(draft, processor))


def _audit(draft: Path, processor: str) -> None:
    """Check that the library exports only its entry points and has no atomics of newer processors.

    Raises WheelhouseError if it does not.
    """
    audit.exports(draft, EXPORTS)
    audit.atomics(draft, processor)
