"""A static library from chosen files of a small component, by the project's own compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Inputs, Recipe, get_or_make
from wheelhouse.common.store import Store, tree_digest
from wheelhouse.compile import library
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import Artefact, Component, Pin

Build = Callable[..., Path]


def of_both(inputs: Inputs, folder: Path) -> None:
    compiled(inputs, folder, {"src/one.cc": "", "src/two.cc": "-DTWO=2"})


def of_one(inputs: Inputs, folder: Path) -> None:
    compiled(inputs, folder, {"src/two.cc": "-DTWO=2"})


def compiled(inputs: Inputs, folder: Path, chosen: dict[str, str]) -> None:
    texts = {"name.h": '#define NAME "name "\n'}
    flags, includes = ("-std=c++17",), ("thing/src",)
    library.archive(inputs, folder, chosen=chosen, flags=flags, includes=includes, texts=texts)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Make the library of a folder with two good files by a recipe."""
    folder = tmp_path / "thing"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "one.cc").write_text('#include "name.h"\nconst char *one = NAME __FILE__;\n')
    (folder / "src" / "two.cc").write_text("int two = TWO;\n")

    def make(store: Store, recipe: Recipe = of_both) -> Path:
        artefact = Artefact(at_most=1, url="https://example.org/thing.tar")
        pin = Pin("1", "MIT", (artefact,), tree=tree_digest(folder))
        step = library.library(Component("thing", pin, folder), (), "aarch64", "2.17", recipe)
        return library.static_library(get_or_make(step, Fetcher(store)))

    return make


def test_two_machines_make_the_same_bytes(build: Build, tmp_path: Path) -> None:
    paths = [build(Store(tmp_path / name)) for name in ("a", "b/c")]
    content = paths[0].read_bytes()
    assert content == paths[1].read_bytes()
    assert b"name thing/src/one.cc" in content
    assert str(tmp_path).encode() not in content
    assert [path.name for path in paths[0].parent.iterdir()] == ["libthing.a"]


def test_only_what_was_chosen_is_in_it_each_with_its_own_flags(build: Build, store: Store) -> None:
    archive = build(store, of_one)
    listed = subprocess.run(["ar", "t", archive], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["src-two.cc.o"]


def test_a_broken_file_is_named_and_what_was_compiled_before_is_not_compiled_again(
    build: Build, store: Store, tmp_path: Path
) -> None:
    broken = tmp_path / "thing" / "src" / "two.cc"
    broken.write_text("no C++ at all\n")
    with pytest.raises(WheelhouseError, match=r"Compiling thing-1-aarch64 failed: thing/src/two"):
        build(store)
    (partial,) = (store.root / "libraries").glob("*.partial")
    (made,) = partial.glob("src-one*.o")
    before = made.stat().st_mtime_ns
    with pytest.raises(WheelhouseError):
        build(store)
    assert made.stat().st_mtime_ns == before
