"""A step is made once for all that it declares, after what it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from wheelhouse.common.step import Inputs, Step, get_or_make, is_cached, plan
from wheelhouse.common.store import Store

RUNS: list[str] = []


@dataclass(frozen=True)
class Archive:
    """Something pinned."""

    content: str


@dataclass(frozen=True)
class Bringer:
    """Brings archives as files of the same content."""

    store: Store

    def file(self, pinned: Archive) -> Path:
        path = self.store.root / pinned.content
        path.write_text(pinned.content)
        return path


def unpack(inputs: Inputs, folder: Path) -> None:
    RUNS.append("tree")
    (folder / "text").write_text(inputs.needs["archive"].read_text())


def join(inputs: Inputs, folder: Path) -> None:
    RUNS.append("joined")
    parts = [inputs.needs["tree"] / "text", inputs.needs["file"]]
    text = inputs.parameters["between"].join(path.read_text() for path in parts)
    (folder / "text").write_text(text)


@pytest.fixture
def bringer(tmp_path: Path) -> Bringer:
    RUNS.clear()
    return Bringer(Store(tmp_path / "cache"))


@pytest.fixture
def joined(tmp_path: Path) -> Step:
    (tmp_path / "file").write_text("file")
    tree = Step("trees", "tree", unpack, {"archive": Archive("archive")})
    needs: dict[str, Step | Path] = {"tree": tree, "file": tmp_path / "file"}
    return Step("joined", "joined", join, needs, {"between": " and "})


def test_a_step_is_made_after_what_it_needs_and_once(bringer: Bringer, joined: Step) -> None:
    assert not is_cached(joined, bringer.store)
    folder = get_or_make(joined, bringer)
    assert (folder / "text").read_text() == "archive and file"
    assert get_or_make(joined, bringer) == folder == is_cached(joined, bringer.store)
    assert RUNS == ["tree", "joined"]


def test_what_a_step_needs_is_not_asked_for_when_it_is_there(
    bringer: Bringer, joined: Step
) -> None:
    get_or_make(joined, bringer)
    tree = joined.needs["tree"]
    assert isinstance(tree, Step)
    for path in bringer.store.root.glob("trees/*/*"):
        path.unlink()
    get_or_make(joined, bringer)
    assert RUNS == ["tree", "joined"]


def test_every_part_of_a_step_is_in_its_key(joined: Step, tmp_path: Path) -> None:
    other = Step("trees", "tree", unpack, {"archive": Archive("other")})
    changed = [
        joined,
        replace(joined, kind="other"),
        replace(joined, recipe=unpack),
        replace(joined, needs={**joined.needs, "tree": other}),
        replace(joined, needs={**joined.needs, "more": other}),
        replace(joined, parameters={"between": ", "}),
    ]
    keys = [step.key for step in changed]
    (tmp_path / "file").write_text("changed")
    keys.append(replace(joined).key)
    assert len({*keys}) == len(keys)


def compiles(inputs: Inputs, folder: Path) -> None:
    """As a compiler does, use what its cache has, and keep there what it made."""
    assert inputs.store.compilers
    (folder / "found").write_text(" ".join(path.name for path in inputs.store.compilers.iterdir()))
    (inputs.store.compilers / f"by-{inputs.parameters['turn']}").touch()
    (folder / "where").write_text(str(inputs.store.compilers))


def test_compilers_keep_nothing_for_other_steps(bringer: Bringer) -> None:
    tree = Step("trees", "tree", unpack, {"archive": Archive("archive")})
    turns = [Step("made", "made", compiles, {}, {"turn": turn}, cache=tree) for turn in (1, 2)]
    alone = Step("made", "alone", compiles, {}, {"turn": 3})
    folders = [get_or_make(step, bringer) for step in (*turns, alone)]
    assert [(each / "found").read_text() for each in folders] == ["text", "text", ""]
    assert not any(Path((each / "where").read_text()).exists() for each in folders)
    assert is_cached(tree, bringer.store)
    assert bringer.store.compilers is None


def test_what_compilers_begin_with_is_checked(bringer: Bringer) -> None:
    tree = Step("trees", "tree", unpack, {"archive": Archive("archive")})
    (get_or_make(tree, bringer) / "more").write_text("altered")
    step = Step("made", "made", compiles, {}, {"turn": 1}, cache=tree)
    assert (get_or_make(step, bringer) / "found").read_text() == "text"
    assert RUNS == ["tree", "tree"]


def test_what_compilers_begin_with_is_in_the_plan_and_not_in_the_key() -> None:
    tree = Step("trees", "tree", unpack, {"archive": Archive("archive")})
    alone = Step("made", "made", compiles, {}, {"turn": 1})
    step = replace(alone, cache=tree)
    assert plan(step) == [tree, step]
    assert step.key == alone.key


def test_a_label_is_for_readers(joined: Step) -> None:
    assert replace(joined, label="other").key == joined.key


def test_the_plan_has_each_step_once_after_what_it_needs(joined: Step) -> None:
    top = Step("top", "top", join, {"one": joined, "tree": joined.needs["tree"]})
    assert [step.kind for step in plan(top, joined)] == ["trees", "joined", "top"]
