"""Toolchains: wrapper scripts that run zig, which the locked requirements pin, as a cross compiler.

zig contains clang, lld, libc++ and the symbols of every glibc version, so it can compile for a
glibc floor without a sysroot. For musl, of which it has one version, the oldest one's library is
pinned.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import cmake
import ninja
import ziglang
from msgspec import structs

from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.common.store import file_digest
from wheelhouse.sources.pins import shared
from wheelhouse.targets.architectures import Architecture, architecture

ZIG = Path(ziglang.__file__).parent / "zig"
CMAKE = Path(cmake.CMAKE_BIN_DIR) / "cmake"
NINJA = Path(ninja.BIN_DIR) / "ninja"

COMPILE_FLAGS = (
    "-O3",
    "-DNDEBUG",
    "-g0",
    "-fPIC",
    "-fno-sanitize=undefined",  # zig's default for C is to trap
    "-fstack-protector-strong",
    "-D_FORTIFY_SOURCE=2",
    "-fvisibility=hidden",
    "-ffunction-sections",
    "-fdata-sections",
    # Threads may still use static objects when exit() would destroy them.
    "-fc++-static-destructors=thread-local",
    "-Wno-everything",
)

EPOCH = 315532800
"""``SOURCE_DATE_EPOCH`` for compilers, in seconds: 1980-01-01, the oldest date in a zip file."""

LIB = "zig-lib"
"""The name of the link to zig's headers and libraries in the folder that compilers run in."""

_PERSONALITY = ROOT / "native" / "personality.cc"
_BUILTINS = ROOT / "native" / "builtins.cc"

SOURCES = (_PERSONALITY, _BUILTINS)
"""The sources that every shared library contains.

Other unwinders can pass through it, and it uses libc's functions rather than zig's.
"""

LINK_FLAGS = (
    "-shared",
    "-O2",
    "-s",
    "-rtlib=none",  # native/builtins.cc has what is called of it
    "-Wl,--gc-sections",
    "-Wl,--wrap=__gxx_personality_v0",
)
"""The flags to link every shared library with."""

_COMMANDS = {"cc": "cc {options}", "c++": "c++ {options}", "ar": "ar", "ranlib": "ranlib"}

_WRAPPER = """\
#!/bin/sh
# The compiler of zig {zig}. A compiler cache's key has the digest of this text.

# Set $new to what zig has for a flag, or a part of it.
translate() {{
  case $1 in
{cases}  +*) new=$1 ;;
  *) return 1 ;;
  esac
}}

chosen= before=
for word do
  shift
  case "$before $word" in
  '-x c++-cpp-output') word=c++ ;; # sccache-dist's names for preprocessed sources
  '-x cpp-output') word=c ;;
  esac
  before=$word
  if translate "${{word%%+*}}"; then
    rest=${{word#"${{word%%+*}}"}}
    while
      case $new in
      +* | '') chosen=$chosen$new ;;
      *) chosen=$new ;;
      esac
      [ -n "$rest" ]
    do
      rest=${{rest#+}}
      translate "+${{rest%%+*}}"
      rest=${{rest#"${{rest%%+*}}"}}
    done
  else
    set -- "$@" "$word"
  fi
done
case $chosen in
'') ;;
+*) set -- "$@" "-mcpu={cpu}$chosen" ;;
*) set -- "$@" "-mcpu=$chosen" ;;
esac

zig=${{0%/*}}/ziglang/zig
if [ -x "$zig" ]; then # another machine's copy of this folder, with zig
  unset ZIG_LIB_DIR
  export ZIG_GLOBAL_CACHE_DIR=/tmp/zig ZIG_LOCAL_CACHE_DIR=/tmp/zig
else
  zig=${{WHEELHOUSE_ZIG:?}}
  # So that preprocessed sources hold no path of this machine.
  [ ! -d {lib} ] || export ZIG_LIB_DIR={lib}
fi
SOURCE_DATE_EPOCH={epoch} exec "$zig" {command} "$@"
"""

CLANG = Path("/usr/bin/clang-14")
"""Debian's clang, which has the sanitizers that zig lacks."""

SANITIZERS = Path("/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.asan-x86_64.so")
"""The library of clang's sanitizers, which a program must load before any other."""

SANITIZER_PACKAGES = {
    CLANG.name: "clang-14",
    "llvm-symbolizer-14": "llvm-14",
    str(SANITIZERS): "libclang-rt-14-dev",
}
"""What a build with sanitizers needs, each with its Debian package."""

SANITIZER_FLAGS = (
    "-O1",
    "-gline-tables-only",
    "-fdebug-compilation-dir=.",
    "-fno-omit-frame-pointer",
    "-D_GLIBCXX_ASSERTIONS",
    "-DTFLITE_SEPARATE_TENSORS",
    # Of UBSan what leads to a wrong access. Kernels overflow integers and read unaligned ones on
    # purpose or harmlessly; a size that overflowed shows when memory is accessed by it.
    "-fsanitize=address,array-bounds,null,return,unreachable,integer-divide-by-zero",
    "-fno-sanitize-recover=all",
    "-shared-libasan",
)
"""The flags of a build for tests, after those of all builds."""

_CLANG_WRAPPER = """\
#!/bin/sh
# clang {clang} with sanitizers. A compiler cache's key has the digest of this text.
end=
for word do
  shift
  case $word in
  # XNNPACK's kernels read up to 16 bytes beyond a tensor, which they do not use.
  */xnnpack/src/*-*/*.c) set -- "$@" "$word" -mllvm -asan-instrument-reads=0 ;;
  # Unlike zig's linker, Debian's looks into each library but once.
  -shared) set -- "$@" -shared -Wl,--start-group; end=-Wl,--end-group ;;
  # What only zig or only a wheel needs; the routine to wrap is that of zig's C++ library.
  -s | -rtlib=none | -fc++-static-destructors=* | -Wl,--wrap=*) ;;
  *) set -- "$@" "$word" ;;
  esac
done
exec {program} "$@" $end {options}
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
    """The step that writes a toolchain for an architecture and libc floor, as in aarch64, 2.17."""
    named = structs.replace(architecture(processor), floor=floor)
    cpu = f" -mcpu={named.cpu}" if named.cpu else ""
    step = Step(
        kind="toolchains",
        label=f"zig-{processor}-{floor}",
        recipe=_write,
        parameters={
            "options": f"-target {named.target}{cpu}",
            "cpu": named.cpu or "baseline",
            "flags": dict(named.flags),
            "cmake": named.cmake,
            "zig": version("ziglang"),
        },
    )
    return step if named.libc == "glibc" else _with_musl(step, named)


def _with_musl(step: Step, named: Architecture) -> Step:
    """The toolchain that links with the library of the oldest musl, not with that of zig.

    So it has the name that Alpine gives it, and a function that is newer is not found there. Who
    links must have ``__wrap_pthread_create``, as in patches/tensorflow-2.14.1-aarch64-musl.
    """
    library = Path(named.loader).name.replace("ld-", "libc.")
    linked = f'-L"${{0%/*}}" -l:{library} -Wl,--wrap=pthread_create'
    return replace(
        step,
        recipe=_write_with_musl,
        needs={"musl": shared(f"musl-{named.name}").tree},
        parameters={
            **step.parameters,
            "options": f"{step.parameters['options']} {linked}",
            "library": library,
        },
    )


def sanitizing(processor: str) -> Step:
    """The step that writes the toolchain with clang's sanitizers, for this machine's processor."""
    return Step(
        kind="toolchains",
        label=f"clang-{processor}",
        recipe=_write_sanitizing,
        needs={"clang": CLANG},
        parameters={
            "options": " ".join(SANITIZER_FLAGS),
            "cmake": architecture(processor).cmake,
        },
    )


def _write_sanitizing(inputs: Inputs, folder: Path) -> None:
    clang = inputs.needs["clang"]
    words = {"clang": file_digest(clang), "options": inputs.parameters["options"]}
    compilers = {"cc": clang, "c++": clang.with_name("clang++-14")}
    scripts = {
        name: _CLANG_WRAPPER.format(program=program, **words) for name, program in compilers.items()
    }
    for name in ("ar", "ranlib"):
        scripts[name] = f'#!/bin/sh\nexec {clang.with_name(f"llvm-{name}-14")} "$@"\n'
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    text = _CMAKE_TOOLCHAIN.format(cmake=inputs.parameters["cmake"])
    (folder / "toolchain.cmake").write_text(text)


def _write_with_musl(inputs: Inputs, folder: Path) -> None:
    _write(inputs, folder)
    (musl,) = inputs.needs["musl"].glob("lib/*/libc.so")
    shutil.copyfile(musl, folder / inputs.parameters["library"])


def _write(inputs: Inputs, folder: Path) -> None:
    told = inputs.parameters
    cases = "".join(f"  {flag}) new={new} ;;\n" for flag, new in told["flags"].items())
    for name, command in _COMMANDS.items():
        text = _WRAPPER.format(
            zig=told["zig"],
            cases=cases,
            cpu=told["cpu"],
            lib=LIB,
            epoch=EPOCH,
            command=command.format(options=told["options"]),
        )
        script = folder / name
        script.write_text(text)
        script.chmod(0o755)
    text = _CMAKE_TOOLCHAIN.format(cmake=told["cmake"])
    (folder / "toolchain.cmake").write_text(text)
