"""Compile flatc, FlatBuffers' compiler, for this machine: newer TFLite releases run it."""

from __future__ import annotations

import shutil
from pathlib import Path

from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import cmake
from wheelhouse.compile.toolchain import toolchain
from wheelhouse.sources.pins import Component
from wheelhouse.targets.architectures import native


def flatc(flatbuffers: Component) -> Step:
    """The step that compiles the program ``flatc`` of a FlatBuffers component."""
    here = native()
    return Step(
        kind="tools",
        label=f"flatc-{flatbuffers.pin.version}",
        recipe=_compile,
        needs={"flatbuffers": flatbuffers.tree, "toolchain": toolchain(here.name, here.floor)},
    )


def _compile(inputs: Inputs, folder: Path) -> None:
    settings = {
        "CMAKE_CXX_FLAGS": " ".join(("-O1 -g0 -w", *cmake.PREFIX_MAPS)),
        "CMAKE_EXE_LINKER_FLAGS": "-s",
        "FLATBUFFERS_BUILD_TESTS": "OFF",
        "FLATBUFFERS_BUILD_FLATHASH": "OFF",
        "FLATBUFFERS_BUILD_FLATLIB": "OFF",
        "FLATBUFFERS_INSTALL": "OFF",
    }
    work = cmake.build(inputs, folder, source="{flatbuffers}", settings=settings, label="flatc")
    (work / "flatc").rename(folder / "flatc")
    shutil.rmtree(work)
