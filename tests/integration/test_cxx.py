"""zig's own libraries are checked before they come into anything, and compiled again if altered."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.running import Copied
from wheelhouse.common.step import Inputs, Step, get_or_make
from wheelhouse.common.store import Store, file_digest
from wheelhouse.compile import cxx, ninja, toolchain
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.sources.fetch import Fetcher

PROCESSOR, FLOOR = "aarch64", "2.17"
SOURCE = """\
#include <stdexcept>
#include <typeinfo>
extern "C" const char *name() {
  try {
    throw std::runtime_error("thrown");
  } catch (const std::exception &error) {
    return typeid(error).name();
  }
}
"""
RIGHT, WRONG = b"terminating due to", b"altered by anybody"


def link(inputs: Inputs, folder: Path) -> None:
    (folder / "thing.cc").write_text(SOURCE)
    tool = Toolchain(inputs.needs["toolchain"]).cxx
    sources = ("thing.cc", *toolchain.SOURCES)
    flags = (*toolchain.COMPILE_FLAGS, "-fvisibility=default", *toolchain.LINK_FLAGS)
    env = ninja.environment(inputs.store)
    subprocess.run([tool, *flags, *sources, "-o", "thing.so"], cwd=folder, env=env, check=True)


def linked(turn: int) -> Step:
    return Step(
        kind="linked",
        label="thing",
        recipe=link,
        needs={"toolchain": toolchain.toolchain(PROCESSOR, FLOOR)},
        parameters={"turn": turn},
        cache=cxx.libraries(PROCESSOR, FLOOR),
    )


@pytest.fixture
def libraries(store: Store, copied: Copied) -> Path:
    """zig's libraries in a cache of the test's own."""
    return copied(cxx.libraries(PROCESSOR, FLOOR), store)


def test_an_altered_library_of_zigs_comes_into_nothing(
    store: Store, libraries: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetcher = Fetcher(store)
    right = get_or_make(linked(1), fetcher) / "thing.so"
    assert RIGHT in right.read_bytes()
    (archive,) = libraries.rglob("libc++abi.a")
    archive.write_bytes(archive.read_bytes().replace(RIGHT, WRONG))

    tools = get_or_make(toolchain.toolchain(PROCESSOR, FLOOR), fetcher)
    alone = Inputs({"toolchain": tools}, {}, replace(store, compilers=libraries))
    link(alone, tmp_path)
    assert WRONG in (tmp_path / "thing.so").read_bytes(), "zig itself finds no fault"

    capfd.readouterr()
    again = get_or_make(linked(2), fetcher) / "thing.so"
    assert file_digest(again) == file_digest(right)
    told = "cxx-aarch64-2.17 in the cache is damaged; it is made again."
    assert capfd.readouterr().err.count(told) == 1
    (archive,) = libraries.rglob("libc++abi.a")
    assert WRONG not in archive.read_bytes()


def test_a_link_finds_all_libraries_compiled(store: Store, libraries: Path) -> None:
    """What a link of ours adds to zig's cache would be compiled for every wheel anew."""
    tools = get_or_make(toolchain.toolchain(PROCESSOR, FLOOR), Fetcher(store))
    before = {path.name for path in libraries.glob("o/*/*")}
    folder = store.root / "work"
    folder.mkdir()
    link(Inputs({"toolchain": tools}, {}, replace(store, compilers=libraries)), folder)
    assert {path.name for path in libraries.glob("o/*/*.a")} <= before
    assert "libc++abi.a" in before
