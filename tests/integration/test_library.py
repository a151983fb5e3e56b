"""A static library from chosen files of a small component, by the project's own compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from wheelhouse import library
from wheelhouse.errors import WheelhouseError
from wheelhouse.library import Library
from wheelhouse.sources import Artefact, Component, Pin, Sources
from wheelhouse.store import Store, tree_digest

Make = Callable[..., Library]


FILES = {"src/one.cc": "", "src/two.cc": "-DTWO=2"}


@pytest.fixture
def wanted(tmp_path: Path) -> Make:
    """The library of a folder with two good files, for a recipe that other text replaces."""
    folder = tmp_path / "thing"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "one.cc").write_text('#include "name.h"\nconst char *one = NAME __FILE__;\n')
    (folder / "src" / "two.cc").write_text("int two = TWO;\n")
    recipe = tmp_path / "recipe"

    def make(text: str = "recipe", choose: Mapping[str, str] = FILES) -> Library:
        recipe.write_text(text)
        artefact = Artefact(url="https://example.org/thing.tar")
        pin = Pin("1", "MIT", (artefact,), tree=tree_digest(folder))
        return Library(
            component=Component("thing", pin, folder),
            processor="aarch64",
            floor="2.17",
            choose=lambda tree: choose,
            flags=("-std=c++17",),
            includes=("thing/src",),
            headers=(),
            texts={"name.h": '#define NAME "name "\n'},
            recipe=recipe,
        )

    return make


def test_two_machines_make_the_same_bytes(wanted: Make, tmp_path: Path) -> None:
    paths = [library.build(wanted(), Sources(Store(tmp_path / name))) for name in ("a", "b/c")]
    content = paths[0].read_bytes()
    assert content == paths[1].read_bytes()
    assert b"name thing/src/one.cc" in content
    assert str(tmp_path).encode() not in content
    assert [path.name for path in paths[0].parent.iterdir()] == ["libthing.a"]


def test_only_what_was_chosen_is_in_it_each_with_its_own_flags(wanted: Make, store: Store) -> None:
    archive = library.build(wanted(choose={"src/two.cc": "-DTWO=2"}), Sources(store))
    listed = subprocess.run(["ar", "t", archive], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["src-two.cc.o"]


def test_a_broken_file_is_named_and_what_was_compiled_before_is_not_compiled_again(
    wanted: Make, store: Store, tmp_path: Path
) -> None:
    broken = tmp_path / "thing" / "src" / "two.cc"
    broken.write_text("no C++ at all\n")
    with pytest.raises(WheelhouseError, match=r"Compiling thing-1-aarch64 failed: thing/src/two"):
        library.build(wanted(), Sources(store))
    (partial,) = (store.root / library.KIND).glob("*.partial")
    (made,) = partial.glob("src-one*.o")
    before = made.stat().st_mtime_ns
    with pytest.raises(WheelhouseError):
        library.build(wanted(), Sources(store))
    assert made.stat().st_mtime_ns == before


def test_another_recipe_makes_another_library(wanted: Make) -> None:
    assert wanted("recipe").identity == wanted("recipe").identity != wanted("other").identity
