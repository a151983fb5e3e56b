"""Every decision record tells its number, date and status, and is in the index with them."""

from __future__ import annotations

import re

from tests.support import REPO

FOLDER = REPO / "docs" / "decisions"
HEADER = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\n"
    r"Date: (?P<date>\d{4}-\d\d-\d\d)\. "
    r"Status: (?P<status>proposed|accepted|rejected|superseded by \d+)\.\n\n"
)


def test_the_index_lists_what_the_records_say_of_themselves() -> None:
    rows = []
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        found = HEADER.match(path.read_text())
        assert found, f"{path.name} has no header"
        assert path.name.startswith(f"{int(found['number']):04}-")
        number, title, date, status = found.groups()
        rows.append(f"| {number} | [{title}]({path.name}) | {date} | {status} |")
    index = (FOLDER / "README.md").read_text().splitlines()
    assert rows
    assert [line for line in index if line.startswith("| ") and "](" in line] == rows


def test_nothing_else_lies_among_the_records() -> None:
    assert {path.name for path in FOLDER.iterdir() if not path.name[0].isdigit()} == {"README.md"}
