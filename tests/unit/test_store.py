from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse.common import store
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import Entry, Store, tree_digest

ENTRY = Entry("things", "thing", "0" * 64)
DAMAGED, UNSEALED = "is damaged", "has no digest to check it by"


class Maker:
    """A step that writes one file, and counts."""

    def __init__(self, kept: Store) -> None:
        self.store = kept
        self.runs = 0

    def __call__(self, folder: Path) -> None:
        self.runs += 1
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / "out").write_text("whole")

    def get_or_make(self, **options: bool) -> Path:
        return self.store.get_or_make(ENTRY, self, **options)


@pytest.fixture
def step(tmp_path: Path) -> Maker:
    return Maker(Store(tmp_path))


def test_what_exists_is_not_made_again(step: Maker) -> None:
    first, second = step.get_or_make(), step.get_or_make()
    assert first == second
    assert (first / "sub" / "out").read_text() == "whole"
    assert step.runs == 1


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "sub" / "out").write_text("other"), DAMAGED),
        (lambda folder: (folder / "sub" / "out").unlink(), DAMAGED),
        (lambda folder: (folder / "sub" / "out").chmod(0o755), DAMAGED),
        (lambda folder: (folder / "more").write_text(""), DAMAGED),
        (lambda folder: (folder / "link").symlink_to("sub"), DAMAGED),
        (lambda folder: shutil.rmtree(folder / "sub"), DAMAGED),
        (lambda folder: folder.with_name(f"{folder.name}.sha256").unlink(), UNSEALED),
        (lambda folder: folder.with_name(f"{folder.name}.sha256").write_text(""), DAMAGED),
    ],
    ids=["changed", "lost", "mode", "added", "link", "emptied", "no seal", "empty seal"],
)
def test_what_was_damaged_is_made_again_and_said(
    step: Maker, damage: Callable[[Path], object], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    damage(step.get_or_make())
    folder = step.get_or_make()
    assert f"thing in the cache {told}; it is made again." in capfd.readouterr().err
    assert [path.name for path in folder.rglob("*")] == ["sub", "out"]
    assert (folder / "sub" / "out").read_text() == "whole"
    step.get_or_make()
    assert step.runs == 2


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose content was read. Files count as settled at once."""
    folders: list[Path] = []

    def noted(root: Path) -> str:
        folders.append(root)
        return tree_digest(root)

    monkeypatch.setattr(store, "tree_digest", noted)
    monkeypatch.setattr(store, "_SETTLED_NS", 0)
    return folders


def rewritten(path: Path) -> None:
    """Change a file's content, but neither its size nor its time."""
    before = path.stat()
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed(path: Path) -> None:
    """Put another file of the same size and time in a file's place."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    rewritten(other)
    other.replace(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: rewritten(folder / "sub" / "out"),
        lambda folder: renamed(folder / "sub" / "out"),
        lambda folder: (folder / "more").write_text(""),
        lambda folder: (folder / "sub" / "out").unlink(),
        lambda folder: (folder / "sub" / "out").chmod(0o755),
        lambda folder: folder.with_name(f"{folder.name}.sha256").write_text("0" * 64),
    ],
    ids=["rewritten", "renamed", "added", "lost", "mode", "seal"],
)
def test_content_is_read_once_and_again_after_any_change(
    step: Maker, damage: Callable[[Path], object], read: list[Path]
) -> None:
    folder = step.get_or_make()
    read.clear()
    time.sleep(0.05)  # the kernel's clock of files is coarse
    for _ in range(3):
        step.get_or_make()
    assert read == [folder]
    damage(folder)
    step.get_or_make()
    assert step.runs == 2
    assert (folder / "sub" / "out").read_text() == "whole"


def test_content_that_changed_just_now_is_read_each_time(
    step: Maker, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_SETTLED_NS", 60 * 10**9)
    folder = step.get_or_make()
    read.clear()
    for _ in range(3):
        step.get_or_make()
    assert read == [folder] * 3
    assert step.runs == 1


def test_a_discarded_output_leaves_nothing(step: Maker) -> None:
    step.get_or_make()
    step.store.discard(ENTRY)
    assert not list((step.store.root / "things").iterdir())


def test_a_step_that_fails_leaves_nothing_and_starts_anew(step: Maker) -> None:
    def fails(folder: Path) -> None:
        assert not list(folder.iterdir())
        (folder / "half").write_text("")
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            step.store.get_or_make(ENTRY, fails)
    assert not list((step.store.root / "things").iterdir())
    assert [path.name for path in step.get_or_make().iterdir()] == ["sub"]


def test_a_step_that_can_go_on_finds_what_it_made_before(step: Maker) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        step.store.get_or_make(ENTRY, fails, resume=True)
    assert not step.store.path(ENTRY).exists()
    assert (step.get_or_make(resume=True) / "half").exists()


def test_the_cache_lies_where_the_user_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHEELHOUSE_CACHE", "here")
    assert Store.default().root == tmp_path / "here"
    monkeypatch.delenv("WHEELHOUSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Store.default().root == tmp_path / "tflite-wheelhouse"


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, step: Maker) -> None:
    (tmp_path / "file").write_text("")
    kept = Store(tmp_path / "file" / "cache")
    with pytest.raises(WheelhouseError) as failure:
        kept.get_or_make(ENTRY, step)
    assert failure.value.what == f"The cache {kept.root} cannot be written: Not a directory."
    assert "WHEELHOUSE_CACHE" in failure.value.hint


def test_a_log_starts_empty_and_lies_in_the_cache(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.log("core").write_text("old")
    assert kept.log("core").read_text() == ""
    assert kept.log("core").is_relative_to(tmp_path)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert store.digest({"a": 1, "b": (1, 2)}) == store.digest({"b": [1, 2], "a": 1})
    assert store.digest("ab", "c") != store.digest("a", "bc")


def test_a_tree_digest_does_not_depend_on_time_or_place(tmp_path: Path) -> None:
    for name in "ab":
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "x").write_text("x")
        (folder / "y").symlink_to("sub/x")
    assert tree_digest(tmp_path / "a") == tree_digest(tmp_path / "b")
    (tmp_path / "b" / "y").unlink()
    (tmp_path / "b" / "y").write_text("x")
    assert tree_digest(tmp_path / "a") != tree_digest(tmp_path / "b")
