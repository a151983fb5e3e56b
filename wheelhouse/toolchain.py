"""The zig cross compiler, pinned by the locked requirements, and what makes it a toolchain.

zig carries clang, lld, libc++ and the symbol lists of every glibc, so one program compiles for a
glibc floor without a sysroot.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cmake
import ninja
import ziglang

from wheelhouse.architectures import architecture
from wheelhouse.plain import plain
from wheelhouse.store import Store, digest, file_digest

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

PERSONALITY = Path(__file__).parent.parent / "native" / "personality.cc"
"""What every shared library contains, for other unwinders to pass through it."""

LINK_FLAGS = ("-shared", "-s", "-Wl,--gc-sections", "-Wl,--wrap=__gxx_personality_v0")
"""What every shared library is linked with."""

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
exec {zig} {command} "$@"
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
    """A compiler for one architecture and glibc floor, for example aarch64 and 2.17.

    ``folder`` has a name that every tool can take.
    """

    processor: str
    floor: str
    folder: Path

    @property
    def cc(self) -> Path:
        """The C compiler and linker."""
        return self.folder / "cc"

    @property
    def cxx(self) -> Path:
        """The C++ compiler and linker."""
        return self.folder / "c++"

    @property
    def cmake_file(self) -> Path:
        """The file for CMake's ``CMAKE_TOOLCHAIN_FILE``."""
        return self.folder / "toolchain.cmake"


def identity(processor: str, floor: str) -> str:
    """A digest of everything about the toolchain that can change what it makes."""
    versions = [version(name) for name in ("ziglang", "cmake", "ninja")]
    named = (_target(processor, floor), architecture(processor).cmake)
    return digest(versions, named, COMPILE_FLAGS, _WRAPPER, _CMAKE_TOOLCHAIN)


def link_identity() -> str:
    """A digest of what every shared library is linked with."""
    return digest(file_digest(PERSONALITY), LINK_FLAGS)


def prepare(processor: str, floor: str, store: Store) -> Toolchain:
    """Write the compiler's wrappers into the store."""

    def write(folder: Path) -> None:
        target = _target(processor, floor)
        for name, command in (
            ("cc", f"cc {target}"),
            ("c++", f"c++ {target}"),
            ("ar", "ar"),
            ("ranlib", "ranlib"),
        ):
            script = folder / name
            script.write_text(_WRAPPER.format(zig=zig, command=command))
            script.chmod(0o755)
        (folder / "toolchain.cmake").write_text(
            _CMAKE_TOOLCHAIN.format(cmake=architecture(processor).cmake)
        )

    zig = plain(ZIG)
    key = digest(identity(processor, floor), str(zig))
    return Toolchain(processor, floor, plain(store.made("toolchains", "zig", key, write)))


def _target(processor: str, floor: str) -> str:
    """zig's options for what to compile for."""
    named = architecture(processor)
    return f"-target {named.zig}.{floor}" + (f" -mcpu={named.cpu}" if named.cpu else "")


def launcher() -> str | None:
    """The compiler cache to start compiles with, if one is installed."""
    found = shutil.which("ccache") or shutil.which("sccache")
    return str(plain(Path(found))) if found else None


def environment(store: Store) -> dict[str, str]:
    """What to add to the environment of compiles: caches, and a fixed time."""
    home = os.path.expanduser("~")  # noqa: PTH111
    return {
        # Compiler caches insist on one.
        "HOME": home if os.access(home, os.W_OK) else str(store.root),
        "TMPDIR": str(plain(Path(tempfile.gettempdir()))),
        "ZIG_LIB_DIR": str(plain(ZIG).with_name("lib")),  # zig itself would tell its real name
        "ZIG_GLOBAL_CACHE_DIR": str(plain(store.root) / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(plain(store.root) / "zig"),
        "SOURCE_DATE_EPOCH": "315532800",  # 1980-01-01, the oldest time that a zip can hold
        "CCACHE_COMPILERCHECK": f"string:zig {version('ziglang')}",
        "CCACHE_DEPEND": "1",  # take headers from -MD: no second run of the preprocessor
    }
