"""Compile flatc, FlatBuffers' compiler, for this machine: newer TFLite releases run it."""

from __future__ import annotations

import shutil
from pathlib import Path

from wheelhouse.common.plain import plain_path
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import ninja
from wheelhouse.compile.toolchain import CMAKE, NINJA, Toolchain, toolchain
from wheelhouse.sources.pins import Component
from wheelhouse.targets.architectures import native


def flatc(flatbuffers: Component) -> Step:
    """The step that compiles the program ``flatc`` of a FlatBuffers component, in some 90 s."""
    here = native()
    return Step(
        kind="tools",
        label=f"flatc-{flatbuffers.pin.version}",
        recipe=_compile,
        needs={"flatbuffers": flatbuffers.tree, "toolchain": toolchain(here.name, here.floor)},
    )


def _compile(inputs: Inputs, folder: Path) -> None:
    work = plain_path(folder) / "build"
    settings = {
        "CMAKE_MAKE_PROGRAM": plain_path(NINJA),
        "CMAKE_TOOLCHAIN_FILE": Toolchain(inputs.needs["toolchain"]).cmake_file,
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
        "CMAKE_CXX_FLAGS": "-O1 -g0 -w",
        "FLATBUFFERS_BUILD_TESTS": "OFF",
        "FLATBUFFERS_BUILD_FLATHASH": "OFF",
        "FLATBUFFERS_BUILD_FLATLIB": "OFF",
        "FLATBUFFERS_INSTALL": "OFF",
    }
    command = [
        *(str(plain_path(CMAKE)), "-G", "Ninja"),
        *("-S", str(plain_path(inputs.needs["flatbuffers"])), "-B", str(work)),
        *(f"-D{key}={value}" for key, value in settings.items()),
    ]
    log = inputs.store.log("flatc")
    env = ninja.environment(inputs.store)
    ninja.configure(command, folder, "Configuring flatc", log, env)
    ninja.build(work, "Compiling flatc", log, env)
    (work / "flatc").rename(folder / "flatc")
    shutil.rmtree(work)
