"""Toolchains: wrapper scripts that run zig, which the locked requirements pin, as a cross compiler.

zig contains clang, lld, libc++ and the symbols of every glibc version, so it can compile for a
glibc floor without a sysroot.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cmake
import ninja
import ziglang

from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.targets.architectures import architecture

ZIG = Path(ziglang.__file__).parent / "zig"
CMAKE = Path(cmake.CMAKE_BIN_DIR) / "cmake"
NINJA = Path(ninja.BIN_DIR) / "ninja"

COMPILE_FLAGS = (
    "-O3",
    "-DNDEBUG",
    "-g0",
    "-fPIC",
    "-fno-sanitize=undefined",  # zig's default for C is to trap
    "-fvisibility=hidden",
    "-ffunction-sections",
    "-fdata-sections",
    # Threads may still use static objects when exit() would destroy them.
    "-fc++-static-destructors=thread-local",
    "-Wno-everything",
)

EPOCH = 315532800
"""``SOURCE_DATE_EPOCH`` for compilers, in seconds: 1980-01-01, the oldest date in a zip file."""

PERSONALITY = ROOT / "native" / "personality.cc"
"""The source that every shared library contains, so that other unwinders can pass through it."""

LINK_FLAGS = ("-shared", "-s", "-Wl,--gc-sections", "-Wl,--wrap=__gxx_personality_v0")
"""The flags to link every shared library with."""

_COMMANDS = {"cc": "cc {options}", "c++": "c++ {options}", "ar": "ar", "ranlib": "ranlib"}

# zig takes -march= for the name of a CPU: translate it to -mcpu= with a list of features.
_WRAPPER = """\
#!/bin/sh
for word do
  shift
  case $word in
  -march=armv*)
    rest=${{word#-march=armv}}
    version=$(printf %s "${{rest%%-a*}}" | tr . _)
    features=${{rest#*-a}}
    case $features+ in *+fp16+*)
      features=${{features%%+fp16*}}+fullfp16${{features#*+fp16}} ;;
    esac
    word=-mcpu=generic+v${{version}}a$features ;;
  esac
  set -- "$@" "$word"
done
SOURCE_DATE_EPOCH={epoch} exec "${{WHEELHOUSE_ZIG:?}}" {command} "$@"
"""

_CMAKE_TOOLCHAIN = """\
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR {cmake})
set(CMAKE_C_COMPILER "${{CMAKE_CURRENT_LIST_DIR}}/cc")
set(CMAKE_CXX_COMPILER "${{CMAKE_CURRENT_LIST_DIR}}/c++")
set(CMAKE_ASM_COMPILER "${{CMAKE_CURRENT_LIST_DIR}}/cc")
set(CMAKE_AR "${{CMAKE_CURRENT_LIST_DIR}}/ar")
set(CMAKE_RANLIB "${{CMAKE_CURRENT_LIST_DIR}}/ranlib")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_FIND_ROOT_PATH "${{CMAKE_CURRENT_LIST_DIR}}")
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
"""


@dataclass(frozen=True)
class Toolchain:
    """The programs of a toolchain in its step's folder; they run in :func:`ninja.environment`."""

    folder: Path

    @property
    def cc(self) -> Path:
        """The C compiler and linker."""
        return plain_path(self.folder) / "cc"

    @property
    def cxx(self) -> Path:
        """The C++ compiler and linker."""
        return plain_path(self.folder) / "c++"

    @property
    def ar(self) -> Path:
        """The program that packs static libraries."""
        return plain_path(self.folder) / "ar"

    @property
    def cmake_file(self) -> Path:
        """The value of CMake's ``CMAKE_TOOLCHAIN_FILE``."""
        return plain_path(self.folder) / "toolchain.cmake"


def toolchain(processor: str, floor: str) -> Step:
    """The step that writes a toolchain for an architecture and glibc floor, as in aarch64, 2.17."""
    named = architecture(processor)
    options = f"-target {named.zig}.{floor}" + (f" -mcpu={named.cpu}" if named.cpu else "")
    return Step(
        kind="toolchains",
        label=f"zig-{processor}-{floor}",
        recipe=_write,
        parameters={"options": options, "cmake": named.cmake, "zig": version("ziglang")},
    )


def _write(inputs: Inputs, folder: Path) -> None:
    for name, command in _COMMANDS.items():
        words = command.format(options=inputs.parameters["options"])
        script = folder / name
        script.write_text(_WRAPPER.format(command=words, epoch=EPOCH))
        script.chmod(0o755)
    text = _CMAKE_TOOLCHAIN.format(cmake=inputs.parameters["cmake"])
    (folder / "toolchain.cmake").write_text(text)
