"""Compiles in folders of any name make the bytes that they make in others."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.test_compile import RULES
from tests.integration.test_inv import ODD
from tests.support.compiler import compiler
from wheelhouse.common import plain, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Inputs
from wheelhouse.common.store import Store, file_digest
from wheelhouse.compile import cmake, ninja, toolchain
from wheelhouse.machines import qemu

Place = Callable[[str], Store]
Build = Callable[[str], tuple[str, str, list[str]]]


NAMES = ["a b", ODD, "a\nb", "a\\b", "a`b", "[a]*?", "<a>|b", "-a", "~", "a: b", "日本", "a${b}"]

CMAKE = """\
cmake_minimum_required(VERSION 3.24)
project(thing C CXX ASM)
add_library(thing STATIC ${SOURCE_THING}/thing.c ${SOURCE_THING}/more.S)
target_include_directories(thing PRIVATE ${SOURCE_THING}/inc)
add_custom_command(OUTPUT made COMMAND ${Python_EXECUTABLE} -c pass)
add_custom_target(make ALL DEPENDS made)
"""
FLAGS = " ".join(("-O1", "-g0", *cmake.PREFIX_MAPS))
HOSTILE = {name: "/nowhere" for name in ("CC", "CXX", "CPATH", "LIBRARY_PATH", "ruy_ROOT")}
HOSTILE |= {"CFLAGS": "-O0", "LDFLAGS": "-s", "CMAKE_GENERATOR": "Nothing", "NINJA_STATUS": "%p"}
HOSTILE |= {"DESTDIR": "/nowhere", "CMAKE_PREFIX_PATH": "/nowhere", "ZIG_LIB_DIR": "/nowhere"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A cache in a folder of that name, with zig's libraries."""

    def place(name: str) -> Store:
        root = tmp_path / name / "cache"
        root.mkdir(parents=True)
        libraries = Store.default().root / "zig"
        libraries.mkdir(parents=True, exist_ok=True)
        (root / "zig").symlink_to(libraries)
        return Store(root, root / "zig")

    return place


@pytest.fixture
def built(place: Place, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build a library by CMake and another by ninja in such a folder; what they are made of."""

    def build(name: str) -> tuple[str, str, list[str]]:
        store = place(name)
        tools = compiler(store)
        env = ninja.environment(store)
        source = store.root / "source"
        (source / "inc").mkdir(parents=True)
        (store.root / "work").mkdir()
        text = "static const char *place(void) { return __FILE__; }\n"
        (source / "inc/thing.h").write_text(text)
        (source / "thing.c").write_text(
            '#include "thing.h"\nint thing(void) { return *place(); }\n'
        )
        (source / "more.S").write_text("#define MORE more\n.global MORE\nMORE:\n  ret\n")
        (source / "CMakeLists.txt").write_text(CMAKE)
        inputs = Inputs({"thing": source, "toolchain": tools.folder}, {}, store)
        settings = {
            **{f"CMAKE_{language}_FLAGS": FLAGS for language in ("C", "CXX", "ASM")},
            "SOURCE_THING": "{thing}",
            "Python_EXECUTABLE": plain.plain_path(Path(sys.executable)),
            "CMAKE_BUILD_TYPE": "None",
        }
        folder = cmake.build(
            inputs, store.root / "work", source="{thing}", settings=settings, label="thing"
        )
        again = process.run([toolchain.NINJA, "-n", "-C", folder], env=env).stdout.splitlines()[1:]
        by_hand = store.root / "by hand"
        by_hand.mkdir()
        (by_hand / "good.c").write_text("int good(void) { return 1; }\n")
        (by_hand / "thing.c").write_text("int thing;\n")
        (by_hand / "build.ninja").write_text(RULES.format(cc=tools.cc, name="thing"))
        ninja.build(by_hand, "Compiling", store.log("by hand"), env, cached=store)
        return file_digest(folder / "libthing.a"), file_digest(by_hand / "thing.so"), again

    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(place(f"{ODD} tmp").root))
    return build


def test_the_bytes_are_the_same_whatever_the_folders_name(built: Build) -> None:
    expected = built("plain")
    assert expected[-1] == ["[1/1] Generating made"]  # which is never made
    for name in NAMES:
        assert built(name) == expected, name


def test_the_emulators_counter_compiles_in_any_folder(place: Place) -> None:
    assert qemu.plugin(place(ODD)).is_file()


def test_a_plain_name_is_left_alone_and_another_gets_the_same_link_each_time(
    tmp_path: Path,
) -> None:
    assert plain.plain_path(tmp_path / "a-b_c.d+e") == tmp_path / "a-b_c.d+e"
    for name in NAMES:
        link = plain.plain_path(tmp_path / name / "sub")
        (tmp_path / name / "sub").mkdir(parents=True)
        assert link == plain.plain_path(tmp_path / name / "sub")
        assert link.samefile(tmp_path / name / "sub")
        assert re.fullmatch(r"[\w/.+-]+", str(link), re.ASCII)
        shutil.rmtree(tmp_path / name)


def test_a_folder_of_links_that_is_not_this_users_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plain, "LINKS", tmp_path)
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"tflite-wheelhouse-{os.geteuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(
        WheelhouseError, match="all characters of the path /a b, or it is too long, and no link"
    ) as it:
        plain.plain_path(Path("/a b/c"))
    assert "Latin letters" in it.value.hint
