"""Changes, a file each, and the changelog that a release makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import REPO
from wheelhouse import changelog
from wheelhouse.common.errors import WheelhouseError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes/README.md").write_text("What this is.\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- Older.\n")
    return tmp_path


def add(checkout: Path, **texts: str) -> None:
    for name, text in texts.items():
        (checkout / f"changes/{name}.md").write_text(text)


def test_a_release_gets_all_changes_and_leaves_none_behind(checkout: Path) -> None:
    add(checkout, b="- B.\n", a="- A\n  goes on.\n")
    changelog.fold(checkout, "v1")
    add(checkout, c="- C.\n")
    changelog.fold(checkout, "v2")
    text = (checkout / "CHANGELOG.md").read_text()
    assert re.sub(r"\d{4}-\d\d-\d\d", "TODAY", text) == (
        "# Changelog\n\n## Unreleased\n\n"
        "## v2, TODAY\n\n- C.\n\n"
        "## v1, TODAY\n\n- A\n  goes on.\n- B.\n- Older.\n"
    )
    assert [path.name for path in (checkout / "changes").iterdir()] == ["README.md"]


def test_a_release_without_a_change_is_refused(checkout: Path) -> None:
    with pytest.raises(WheelhouseError, match="no change in changes/"):
        changelog.fold(checkout, "v1")


@pytest.mark.parametrize("text", ["", "A.\n", "- A.\n- B.\n", "- A.\ngoes on.\n", "- A."])
def test_a_file_that_is_not_one_entry_is_named_and_nothing_is_changed(
    checkout: Path, text: str
) -> None:
    add(checkout, a="- A.\n", odd=text)
    before = (checkout / "CHANGELOG.md").read_text()
    with pytest.raises(WheelhouseError, match=r"changes/odd\.md is not one entry"):
        changelog.fold(checkout, "v1")
    assert (checkout / "CHANGELOG.md").read_text() == before
    assert (checkout / "changes/a.md").exists()


def test_the_changes_of_this_checkout_are_entries() -> None:
    assert all(changelog.entry(path) for path in changelog.fragments(REPO))
