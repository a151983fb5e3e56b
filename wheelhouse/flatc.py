"""flatbuffers' compiler for this machine: newer TFLite releases generate headers with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from wheelhouse import compile, toolchain
from wheelhouse.architectures import native
from wheelhouse.plain import plain
from wheelhouse.sources import Component, Sources
from wheelhouse.store import digest


def build(flatbuffers: Component, at: Sources) -> Path:
    """The folder that holds ``flatc``, compiled unless it exists, in some 90 s.

    Raises WheelhouseError with the first compiler error.
    """

    def make(folder: Path) -> None:
        work = plain(folder) / "build"
        tools = toolchain.prepare(here.name, here.floor, at.store)
        settings = {
            "CMAKE_MAKE_PROGRAM": plain(toolchain.NINJA),
            "CMAKE_TOOLCHAIN_FILE": tools.cmake_file,
            "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
            "CMAKE_CXX_FLAGS": "-O1 -g0 -w",
            "FLATBUFFERS_BUILD_TESTS": "OFF",
            "FLATBUFFERS_BUILD_FLATHASH": "OFF",
            "FLATBUFFERS_BUILD_FLATLIB": "OFF",
            "FLATBUFFERS_INSTALL": "OFF",
        }
        command = [
            *(
                str(plain(toolchain.CMAKE)),
                "-G",
                "Ninja",
                "-S",
                str(plain(at.tree(flatbuffers))),
                "-B",
                str(work),
            ),
            *(f"-D{key}={value}" for key, value in settings.items()),
        ]
        log = at.store.log(f"flatc-{flatbuffers.pin.version}")
        env = toolchain.environment(at.store)
        compile.configure(command, folder, "Configuring flatc", log, env)
        compile.ninja(work, "Compiling flatc", log, env)
        (work / "flatc").rename(folder / "flatc")
        shutil.rmtree(work)

    here = native()
    key = digest(flatbuffers.identity, toolchain.identity(here.name, here.floor))
    return at.store.made("tools", f"flatc-{flatbuffers.pin.version}", key, make)
