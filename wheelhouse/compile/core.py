"""Compile a core: TFLite and all libraries that it needs, as static libraries."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import Version

from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import cmake, toolchain
from wheelhouse.compile.flatc import flatc
from wheelhouse.sources import pins
from wheelhouse.sources.pins import Component

SUPERPROJECT = ROOT / "native" / "CMakeLists.txt"

_TOOLS = frozenset({"toolchain", "flatc"})
_GENERATES = Version("2.22")
"""The oldest release here whose build generates headers with flatc."""


@dataclass(frozen=True)
class Core:
    """The options of a core.

    ``tflite`` is a release in sources.toml, ``processor`` an architecture, ``floor`` the oldest
    glibc version that the code may need, as in 2.17. ``xnnpack`` includes the XNNPACK delegate.
    ``checkout`` is a folder with TensorFlow's sources, which replace the pinned ones. ``sanitize``
    is for tests: clang's sanitizers check each access to memory.
    """

    tflite: str
    processor: str
    floor: str
    xnnpack: bool
    checkout: Path | None = None
    sanitize: bool = False

    @property
    def components(self) -> dict[str, Component]:
        """The components that it is compiled from, by name."""
        every = pins.release_components(self.tflite, self.checkout)
        return {
            name: replace(part, processor=self.processor)
            for name, part in every.items()
            if name != "wrapper"
        }

    @property
    def trees(self) -> dict[str, Step]:
        """The steps that unpack these components, by name."""
        return {name: component.tree for name, component in self.components.items()}

    @property
    def label(self) -> str:
        """Its name in messages and folders, as in ``tflite-2.14.1-aarch64``."""
        options = {"noxnnpack": not self.xnnpack, "sanitized": self.sanitize}
        chosen = (name for name, applies in options.items() if applies)
        return "-".join(("tflite", self.tflite, self.processor, *chosen))

    @property
    def toolchain(self) -> Step:
        """The step that writes the toolchain that compiles it, and what links with it."""
        if self.sanitize:
            return toolchain.sanitizing(self.processor)
        return toolchain.toolchain(self.processor, self.floor)

    @property
    def step(self) -> Step:
        """The step that compiles its static libraries into ``lib``; an interrupted one resumes."""
        needs = {**self.trees, "toolchain": self.toolchain}
        if Version(self.tflite).release >= _GENERATES.release:
            needs["flatc"] = flatc(self.components["flatbuffers"])
        parameters = {"label": self.label, "xnnpack": self.xnnpack}
        return Step("cores", self.label, _compile, needs, parameters, resume=True)

    def defines(self) -> tuple[str, ...]:
        """The compiler flags that code needs to include TFLite's headers as the library does."""
        delegate = ("-DTFLITE_BUILD_WITH_XNNPACK_DELEGATE",) if self.xnnpack else ()
        return ("-DTFL_STATIC_LIBRARY_BUILD", "-DTFLITE_WITH_RUY", *delegate)


def _compile(inputs: Inputs, folder: Path) -> None:
    flags = " ".join((*toolchain.COMPILE_FLAGS, *cmake.PREFIX_MAPS))
    settings: dict[str, object] = {
        "CMAKE_BUILD_TYPE": "None",
        "TFLITE_ENABLE_XNNPACK": "ON" if inputs.parameters["xnnpack"] else "OFF",
        "CCACHE_BINARY": "OFF",  # else XNNPACK would choose the launcher
        "Python_EXECUTABLE": plain_path(Path(sys.executable)),
        **{f"CMAKE_{language}_FLAGS": flags for language in ("C", "CXX", "ASM")},
        **{f"SOURCE_{name.upper()}": f"{{{name}}}" for name in inputs.needs if name not in _TOOLS},
    }
    if "flatc" in inputs.needs:
        settings["TFLITE_HOST_TOOLS_DIR"] = "{flatc}"
    source = str(plain_path(SUPERPROJECT.parent))
    work = cmake.build(
        inputs, folder, source=source, settings=settings, label=inputs.parameters["label"]
    )
    libraries = folder / "lib"
    libraries.mkdir(exist_ok=True)
    for archive in work.rglob("*.a"):
        shutil.copyfile(archive, libraries / archive.name)
    shutil.rmtree(work)
