"""The wheel of the Arm NN delegate: one self-contained library, for every Python.

Arm Compute Library, Arm NN and what they need of TFLite are compiled apart, then linked.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from ninja.ninja_syntax import Writer

from wheelhouse import (
    armcompute,
    armnn,
    audit,
    compile,
    library,
    packing,
    sources,
    toolchain,
    versions,
)
from wheelhouse.library import Library
from wheelhouse.packing import About
from wheelhouse.plain import plain
from wheelhouse.sources import Component, Sources
from wheelhouse.store import Step, digest, file_digest, tree_digest

PROJECT = "tflite_armnn_delegate"
LIBRARY = "libarmnnDelegate.so"
KIND = "delegates"

EXPORTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
"""How TFLite makes and ends a delegate that comes as a library of its own."""

_PACKAGE = Path(__file__).parent.parent / "native" / PROJECT
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


@dataclass(frozen=True)
class Delegate:
    """A ``tflite_armnn_delegate`` wheel; ``floor`` is the oldest glibc it needs, as in 2.17."""

    processor: str
    floor: str

    @property
    def libraries(self) -> tuple[Library, ...]:
        """What is linked together, Arm NN first."""
        made = (armnn.library, armnn.delegate, armnn.tflite, armcompute.library)
        return tuple(make(self.processor, self.floor) for make in made)

    @property
    def about(self) -> About:
        """What is said of it."""
        return About(
            package=PROJECT,
            version=versions.of_wheel(PROJECT, sources.shared("armnn").pin.version),
            summary="The Arm NN delegate for TensorFlow Lite on Raspberry Pi",
            description=_DESCRIPTION,
            python=">=3.7",
        )

    @property
    def tag(self) -> str:
        """That it is for every Python."""
        return "py3-none"

    @property
    def label(self) -> str:
        """Its name for readers."""
        return f"{PROJECT}-{self.about.version}-{self.processor}"

    @property
    def link(self) -> Step:
        """The linking of the shared library."""
        made_of = [each.identity for each in self.libraries]
        made_with = toolchain.identity(self.processor, self.floor)
        linked = (toolchain.link_identity(), _LINK_FLAGS)
        key = digest(made_of, made_with, LIBRARY, _SCRIPT, linked)
        return Step(KIND, f"armnn-delegate-{self.processor}", key)

    @property
    def identity(self) -> str:
        """A digest of all that decides its bytes."""
        package = tree_digest(_PACKAGE, lambda name: "__pycache__" not in name)
        ours = (file_digest(Path(__file__)), str(self.about.version))
        return digest(self.link.key, package, ours, packing.identity())

    @property
    def linked(self) -> list[Component]:
        """The components whose code is in it."""
        return [part for part in self.components if part.pin.license_files]

    @property
    def components(self) -> list[Component]:
        """The components that it is made of."""
        every = [part for each in self.libraries for part in each.components]
        return list({part.label: part for part in every}.values())

    @property
    def steps(self) -> list[Step]:
        """What is made before it."""
        return [*(each.step for each in self.libraries), self.link]

    def files(self, at: Sources) -> dict[str, bytes]:
        """Its package's files by their names in that folder."""
        ours = [path for path in _PACKAGE.iterdir() if path.is_file()]
        return {
            **{path.name: path.read_bytes() for path in ours},
            LIBRARY: build(self, at).read_bytes(),
        }

    def audit(self, draft: Path) -> None:
        """Check what is for all Raspberry Pis and all TFLites; raises WheelhouseError if not so."""
        audit.exports(draft, EXPORTS)
        audit.atomics(draft)


def build(delegate: Delegate, at: Sources) -> Path:
    """The shared library, linked unless it exists.

    Raises WheelhouseError with the first compiler error.
    """

    def make(folder: Path) -> None:
        archives = [library.build(each, at) for each in delegate.libraries]
        (folder / "exports.map").write_text(_SCRIPT)
        (folder / "build.ninja").write_text(_ninja(delegate, at, archives))
        log = at.store.log(step.label)
        compile.ninja(folder, f"Linking {LIBRARY}", log, toolchain.environment(at.store))
        for path in folder.iterdir():
            if path.name != LIBRARY:
                path.unlink()

    step = delegate.link
    return at.store.made(step.kind, step.label, step.key, make) / LIBRARY


def _ninja(delegate: Delegate, at: Sources, archives: list[Path]) -> str:
    """Arm NN goes in whole, for its backends register themselves, and so does what TFLite calls."""
    tools = toolchain.prepare(delegate.processor, delegate.floor, at.store)
    armnn, entries, *rest = (str(plain(path)) for path in archives)
    inputs = ("-Wl,--whole-archive", armnn, entries, "-Wl,--no-whole-archive", *rest)
    text = io.StringIO()
    rules = Writer(text, width=10_000)  # type: ignore[arg-type]
    flags = " ".join(toolchain.COMPILE_FLAGS)
    rules.rule("cxx", f"{tools.cxx} {flags} -c $in -o $out")
    rules.rule("link", f"{tools.cxx} {' '.join((*_LINK_FLAGS, *inputs))} $in -o $out")
    rules.build(["personality.o"], "cxx", [str(plain(toolchain.PERSONALITY))])
    rules.build([LIBRARY], "link", ["personality.o"])
    return text.getvalue()
