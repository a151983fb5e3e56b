"""The table of reports names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from wheelhouse.common import toml
from wheelhouse.common.toml import Table

TESTS = Path(__file__).parents[1]
SOURCE = re.compile(r"[\w-]+/[\w.-]+#[1-9]\d*|this project")
CASES = {"case", "mortal", "scenario"}
"""What marks a case in ``tests/guest``."""


class Report(Table, frozen=True):
    """A row; its keys are these, no more and no fewer."""

    source: str
    kind: str
    test: str


class Reports(Table, frozen=True):
    reports: tuple[Report, ...]


ROWS = toml.load(TESTS / "reports.toml", Reports).reports


@cache
def known(file: Path) -> set[str]:
    """The names of a file's tests and cases; those of a class are CLASS::TEST."""
    found: set[str] = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each}" for each in covering(node.body)}
    return found | covering(tree.body)


def covering(nodes: list[ast.stmt]) -> set[str]:
    return {each.name for each in nodes if isinstance(each, ast.FunctionDef) and covers(each)}


def covers(node: ast.FunctionDef) -> bool:
    marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
    return node.name.startswith("test_") or bool(marks & CASES)


def test_no_row_is_there_twice() -> None:
    assert ROWS
    assert len(set(ROWS)) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_a_report_says_where_it_is_and_what_covers_it(row: Report) -> None:
    assert SOURCE.fullmatch(row.source)
    assert row.kind.strip()
    file, _, name = row.test.partition("::")
    assert Path(file).parts[0] == TESTS.name
    assert name in known(TESTS.parent / file)
