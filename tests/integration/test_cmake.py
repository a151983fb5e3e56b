"""CMake projects are compiled to the same objects wherever things lie, and are found again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.compiler import compiler
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Inputs
from wheelhouse.common.store import Store
from wheelhouse.compile import cmake, sccache, toolchain

PROJECT = """\
cmake_minimum_required(VERSION 3.24)
project(thing C CXX ASM)
add_custom_command(
  OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/made/made.h
  COMMAND ${CMAKE_COMMAND} -E copy ${OTHER}/template.h made/made.h
  DEPENDS ${OTHER}/template.h)
add_library(thing STATIC one.cc ${OTHER}/two.c ${CMAKE_CURRENT_BINARY_DIR}/made/made.h)
target_include_directories(thing PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/made ${OTHER}/inc)
"""
FILES = {
    "thing/CMakeLists.txt": PROJECT,
    "thing/one.cc": '#include <vector>\n#include "made.h"\nstd::vector<const char *> one{MADE};\n',
    "other/two.c": '#include "two.h"\n',
    "other/inc/two.h": "const char *two = __FILE__;\n",
    "other/template.h": "static const char *MADE = __FILE__;\n",
}


class Machine:
    """A cache and sources in folders of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        libraries = Store.default().root / "zig"  # zig's own, which are slow to compile
        self.store = Store(folder / "cache", libraries)
        self.store.root.mkdir(parents=True)
        for name, text in FILES.items():
            path = folder / "sources" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def build(self) -> bytes:
        """The library, compiled into a new folder."""
        needs = {name: self.folder / "sources" / name for name in ("thing", "other")}
        needs["toolchain"] = compiler(self.store).folder
        flags = " ".join(("-O1", "-g0", *cmake.PREFIX_MAPS))
        settings = {"OTHER": "{other}", "CMAKE_C_FLAGS": flags, "CMAKE_CXX_FLAGS": flags}
        work = cmake.build(
            Inputs(needs, {}, self.store),
            self.folder / "work",
            source="{thing}",
            settings={**settings, "CMAKE_BUILD_TYPE": "None"},
            label="thing",
        )
        return (work / "libthing.a").read_bytes()


@pytest.mark.other_machines
def test_another_machine_finds_every_object_and_makes_the_same_bytes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = Machine(tmp_path / "a"), Machine(tmp_path / "b" / "home" / "c")
    content = first.build()
    shutil.copytree(first.store.root / sccache.FOLDER, second.store.root / sccache.FOLDER)
    assert second.build() == content
    assert "2 of 2 objects came from the compiler cache" in capfd.readouterr().err
    assert b"other/inc/two.h\0" in content
    assert b"build/made/made.h\0" in content
    assert str(tmp_path).encode() not in content


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    broken = tmp_path / "sources" / "thing" / "one.cc"
    broken.write_text("no C++ at all\n")
    with pytest.raises(WheelhouseError, match=r"Compiling thing failed: trees/thing/one\.cc:1:1"):
        machine.build()
    made = next((tmp_path / "work").rglob("two.c.o"))
    before = made.stat().st_mtime_ns
    broken.write_text(FILES["thing/one.cc"])
    machine.build()
    assert made.stat().st_mtime_ns == before


def test_ninja_has_nothing_to_do_after_it(tmp_path: Path) -> None:
    Machine(tmp_path).build()
    done = subprocess.run(
        [toolchain.NINJA, "-n", "-C", tmp_path / "work" / "build"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "no work to do" in done.stdout
