"""The zig cross compiler, pinned by the locked requirements, and what makes it a toolchain.

zig carries clang, lld, libc++ and the symbol lists of every glibc, so one program compiles for a
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
    "-fno-sanitize=undefined",  # zig's own default for C is to trap
    "-fvisibility=hidden",
    "-ffunction-sections",
    "-fdata-sections",
    # Threads may still compute when exit() would destroy static objects.
    "-fc++-static-destructors=thread-local",
    "-Wno-everything",
)

EPOCH = 315532800
"""The time that compilers are told, in seconds: 1980-01-01, the oldest that a zip can hold."""

PERSONALITY = ROOT / "native" / "personality.cc"
"""What every shared library contains, for other unwinders to pass through it."""

LINK_FLAGS = ("-shared", "-s", "-Wl,--gc-sections", "-Wl,--wrap=__gxx_personality_v0")
"""What every shared library is linked with."""

_COMMANDS = {"cc": "cc {options}", "c++": "c++ {options}", "ar": "ar", "ranlib": "ranlib"}

# zig reads -march= as the name of a CPU: say the same as -mcpu=generic plus features.
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
    """The compiler that a toolchain's step made in ``folder``; run it in :func:`environment`."""

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
        """What packs static libraries."""
        return plain_path(self.folder) / "ar"

    @property
    def cmake_file(self) -> Path:
        """The file for CMake's ``CMAKE_TOOLCHAIN_FILE``."""
        return plain_path(self.folder) / "toolchain.cmake"


def toolchain(processor: str, floor: str) -> Step:
    """A compiler for one architecture and glibc floor, for example aarch64 and 2.17."""
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
