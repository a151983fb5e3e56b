"""What the wrappers of a toolchain hand to zig."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wheelhouse.common import toml
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile import cxx
from wheelhouse.compile.toolchain import toolchain
from wheelhouse.package import products
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import architectures

AARCH64 = "cc -target aarch64-linux-gnu.2.17"
X86_64 = "cc -target x86_64-linux-gnu.2.17"
ARMV6 = "cc -target arm-linux-gnueabihf.2.17 -mcpu=generic+v7a"
ARMV7 = f"{ARMV6}+neon+vfp4+fp16+hwdiv+hwdiv_arm"


def given(folder: Path, processor: str, words: str) -> str:
    """The words that zig gets from the C compiler's wrapper."""
    made = get_or_make(toolchain(processor, "2.17"), Fetcher(Store(folder)))
    env = {"WHEELHOUSE_ZIG": "/bin/echo"}
    command = [str(made / "cc"), *words.split()]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("processor", "words", "expected"),
    [
        ("aarch64", "-c a+b.c -o -march", f"{AARCH64} -c a+b.c -o -march"),
        ("aarch64", "-march=armv8-a -c a.c", f"{AARCH64} -c a.c -mcpu=generic+v8a"),
        (
            "aarch64",
            "-march=armv8.2-a+dotprod+fp16",
            f"{AARCH64} -mcpu=generic+v8_2a+dotprod+fullfp16",
        ),
        ("aarch64", "-march=armv8-a -march=armv8.2-a", f"{AARCH64} -mcpu=generic+v8_2a"),
        ("aarch64", "-march=unheard+of", f"{AARCH64} -march=unheard+of"),
        ("x86_64", "-mavx512f -mno-avx", f"{X86_64} -mavx512f -mno-avx"),
        ("x86_64", "-march=x86-64-v3 a.c", f"{X86_64} a.c -mcpu=x86_64_v3"),
        ("armv7l", "-marm -march=armv7-a -mfpu=neon-vfpv4 a.c", f"{ARMV7} a.c"),
        (
            "armv7l",
            "-march=armv8.2-a+dotprod+fp16 -mfpu=neon-fp-armv8",
            f"{ARMV7} -mcpu=generic+v8_2a+dotprod+fullfp16+neon+fp_armv8",
        ),
    ],
)
def test_flags_of_clang_become_those_of_zig(
    tmp_path: Path, processor: str, words: str, expected: str
) -> None:
    assert given(tmp_path, processor, words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-marm a.c", f"{ARMV6} a.c"),
        ("-mfpu=neon-fp16", f"{ARMV6} -mcpu=generic+v7a+neon+fp16"),
        (
            "-marm -march=armv8.2-a+dotprod -mfpu=neon-fp-armv8",
            f"{ARMV6} -mcpu=generic+v8_2a+dotprod+fp_armv8",
        ),
    ],
)
def test_another_processor_needs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, expected: str
) -> None:
    table = (
        architectures.FILE.read_text()
        + """
[[architectures]]
name = "armv6l"
devices = "Raspberry Pi 2"
linux = "32-bit Raspberry Pi OS"
machine = "armv7l"
zig = "arm-linux-gnueabihf"
floor = "2.17"
cmake = "armv7l"
elf = "EM_ARM"
bits = 32
wheel = "armv7l"
debian = "armhf"
multiarch = "arm-linux-gnueabihf"
loader = "/lib/ld-linux-armhf.so.3"
docker = "arm/v7"
cpu = "generic+v7a"

[architectures.flags]
"-marm" = ""
"-march=armv8.2-a" = "generic+v8_2a"
"-mfpu=neon-fp16" = "+neon+fp16"
"-mfpu=neon-fp-armv8" = "+fp_armv8"
"""
    )
    file = tmp_path / "architectures.toml"
    file.write_text(table)
    monkeypatch.setattr(architectures, "FILE", file)
    architectures.architectures.cache_clear()
    try:
        assert given(tmp_path / "cache", "armv6l", words) == expected
    finally:
        monkeypatch.undo()
        architectures.architectures.cache_clear()


def test_a_flag_that_a_shell_would_expand_is_refused(tmp_path: Path) -> None:
    text = architectures.FILE.read_text().replace('"+fp16"', '"-m*"')
    file = tmp_path / "architectures.toml"
    file.write_text(text)
    with pytest.raises(WheelhouseError, match=r"architectures\[0\]\.flags"):
        toml.load(file, architectures.Architectures)


def test_preprocessed_sources_of_a_distributed_compile_get_zigs_names(tmp_path: Path) -> None:
    assert given(tmp_path, "aarch64", "-x c++-cpp-output a.ii") == f"{AARCH64} -x c++ a.ii"
    assert given(tmp_path, "aarch64", "-x cpp-output a.i") == f"{AARCH64} -x c a.i"
    assert given(tmp_path, "aarch64", "-c cpp-output") == f"{AARCH64} -c cpp-output"


def test_zig_is_found_beside_the_wrapper_in_a_copy_for_another_machine(tmp_path: Path) -> None:
    made = get_or_make(toolchain("aarch64", "2.17"), Fetcher(Store(tmp_path)))
    zig = made / "ziglang" / "zig"
    zig.parent.mkdir()
    zig.write_text('#!/bin/sh\necho beside "${ZIG_LIB_DIR-none}" "$ZIG_GLOBAL_CACHE_DIR"\n')
    zig.chmod(0o755)
    env = {"WHEELHOUSE_ZIG": "/nowhere", "ZIG_LIB_DIR": "/mine"}
    done = subprocess.run([made / "cc"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "beside none /tmp/zig\n"


def test_no_wrapper_contains_a_path_and_each_tells_its_target_and_compiler(tmp_path: Path) -> None:
    texts = {}
    for processor in ("aarch64", "x86_64"):
        for floor in ("2.17", "2.28"):
            made = get_or_make(toolchain(processor, floor), Fetcher(Store(tmp_path)))
            text = (made / "c++").read_text()
            assert f"-linux-gnu.{floor}" in text
            assert "zig 0." in text
            assert str(tmp_path) not in text
            assert "site-packages" not in text
            texts[processor, floor] = text
    assert len({*texts.values()}) == 4


def test_zigs_libraries_are_of_one_installation_and_wheels_of_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keys() -> tuple[str, str]:
        return cxx.libraries("aarch64", "2.17").key, products.universal().step.key

    libraries, wheel = keys()
    assert keys() == (libraries, wheel)
    other = tmp_path / "cxa_guard.cpp"
    other.touch()
    monkeypatch.setattr(cxx, "_SOURCE", other)
    assert keys()[0] != libraries
    assert keys()[1] == wheel
