"""The wheel of the Arm NN delegate: one self-contained library, for every Python.

Arm Compute Library, Arm NN and what they need of TFLite are compiled apart, then linked.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from ninja.ninja_syntax import Writer

from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import arm_compute, armnn, library, ninja, toolchain
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.package import audit, wheel
from wheelhouse.package.wheel import About
from wheelhouse.sources import pins
from wheelhouse.sources.pins import Component
from wheelhouse.targets import versions

PROJECT = "tflite_armnn_delegate"
LIBRARY = "libarmnnDelegate.so"

EXPORTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
"""How TFLite makes and ends a delegate that comes as a library of its own."""

_PACKAGE = ROOT / "native" / PROJECT
_SCRIPT = f"{{ global: {'; '.join(EXPORTS)}; local: *; }};\n"
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
"""What is linked together, in this order."""


@dataclass(frozen=True)
class Delegate:
    """A ``tflite_armnn_delegate`` wheel; ``floor`` is the oldest glibc it needs, as in 2.17.

    ``systems`` are those to try it on, by Debian suite or name.
    """

    processor: str
    floor: str
    systems: tuple[str, ...]

    @property
    def about(self) -> About:
        """Its core metadata."""
        return About(
            package=PROJECT,
            version=versions.wheel_version(PROJECT, pins.shared("armnn").pin.version),
            summary="The Arm NN delegate for TensorFlow Lite on Raspberry Pi",
            description=_DESCRIPTION,
            python=">=3.7",
        )

    @property
    def tag(self) -> str:
        """Its CPython and ABI tag: every Python's."""
        return "py3-none"

    @property
    def label(self) -> str:
        """Its name for readers."""
        return f"{PROJECT}-{self.about.version}-{self.processor}"

    @property
    def link(self) -> Step:
        """The folder with the shared library."""
        parts = (armnn.backends, armnn.delegate, armnn.tflite, arm_compute.kernels)
        makers = dict(zip((*_PARTS, "toolchain"), (*parts, toolchain.toolchain), strict=True))
        needs = {name: make(self.processor, self.floor) for name, make in makers.items()}
        return Step("delegates", f"armnn-delegate-{self.processor}", _link, needs)

    @property
    def linked(self) -> list[Component]:
        """The components whose code is in it."""
        flatbuffers = pins.release_components(armnn.FLATBUFFERS)["flatbuffers"]
        return [*map(pins.shared, _PARTS), flatbuffers]

    @property
    def step(self) -> Step:
        """The folder with the audited wheel."""
        return wheel.wheel(self, _pack, {"library": self.link})


def _link(inputs: Inputs, folder: Path) -> None:
    (folder / "exports.map").write_text(_SCRIPT)
    (folder / "build.ninja").write_text(_ninja(inputs))
    log = inputs.store.log("armnn-delegate")
    ninja.build(folder, f"Linking {LIBRARY}", log, ninja.environment(inputs.store))
    for path in folder.iterdir():
        if path.name != LIBRARY:
            path.unlink()


def _ninja(inputs: Inputs) -> str:
    """Arm NN goes in whole, for its backends register themselves, and so does what TFLite calls."""
    tools = Toolchain(inputs.needs["toolchain"])
    libraries = (str(plain_path(library.static_library(inputs.needs[name]))) for name in _PARTS)
    backends, entries, *rest = libraries
    words = ("-Wl,--whole-archive", backends, entries, "-Wl,--no-whole-archive", *rest)
    text = io.StringIO()
    rules = Writer(text, width=10_000)  # type: ignore[arg-type]
    flags = " ".join(toolchain.COMPILE_FLAGS)
    rules.rule("cxx", f"{tools.cxx} {flags} -c $in -o $out")
    rules.rule("link", f"{tools.cxx} {' '.join((*_LINK_FLAGS, *words))} $in -o $out")
    rules.build(["personality.o"], "cxx", [str(plain_path(toolchain.PERSONALITY))])
    rules.build([LIBRARY], "link", ["personality.o"])
    return text.getvalue()


def _pack(inputs: Inputs, folder: Path) -> None:
    ours = {path.name: path.read_bytes() for path in _PACKAGE.iterdir() if path.is_file()}
    library = (inputs.needs["library"] / LIBRARY).read_bytes()
    wheel.pack(inputs, folder, {**ours, LIBRARY: library}, _audit)


def _audit(draft: Path) -> None:
    """Check what is for all Raspberry Pis and all TFLites; raises WheelhouseError if not so."""
    audit.exports(draft, EXPORTS)
    audit.atomics(draft)
