"""Measured figures as data, in ``figures.toml``; README's table and the front page show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.common.toml import Table, load

FILE = ROOT / "wheelhouse" / "figures.toml"
README = FILE.parent.parent / "README.md"
START, END = "<!-- figures: `invoke bench` writes these -->", "<!-- end of figures -->"

_HEAD = """\
# Measured figures, written by `invoke bench`, which also makes README's table of them.
# A figure that a run of it cannot measure stays as it is, with its date.
"""


class Figure(Table, frozen=True):
    """One measured figure.

    ``value`` and ``goal`` are in ``unit``; the value should be no more than the goal. ``detail``
    is what the value was computed from, or which case it is of. ``how`` tells how it was measured.
    """

    name: str
    value: int | float
    unit: str
    date: date
    how: str
    goal: int | float | None = None
    detail: str = ""

    @property
    def measured(self) -> str:
        """The value for a reader, as in ``13.7 min`` or ``0.821 (175 M / 213 M)``."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.value} {self.unit}".rstrip() + detail

    @property
    def aim(self) -> str:
        """The goal for a reader, as in ``≤ 20 min``; a dash if there is none."""
        return "—" if self.goal is None else f"≤ {self.goal} {self.unit}".rstrip()


def read(path: Path = FILE) -> dict[str, Figure]:
    """The figures by their keys; raises WheelhouseError if the file is not valid."""
    return load(path, dict[str, Figure])


def write(figures: Mapping[str, Figure], path: Path = FILE) -> None:
    """Write the figures as :func:`read` reads them."""
    tables = (f"\n[{key}]\n{_fields(figure)}" for key, figure in figures.items())
    path.write_text(_HEAD + "".join(tables), encoding="utf-8")


def show(figures: Iterable[Figure], readme: Path = README) -> None:
    """Make README's table of the figures; raises WheelhouseError if it has no place for one."""
    text = rewritten(readme.read_text(encoding="utf-8"), figures)
    readme.write_text(text, encoding="utf-8")


def rewritten(text: str, figures: Iterable[Figure]) -> str:
    """README's text with the table between its two marks replaced.

    Raises WheelhouseError if a mark is missing.
    """
    before, _, rest = text.partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise WheelhouseError(
            "README.md has no place for the figures.", f"Put back the lines {START} and {END}."
        )
    return f"{before}{START}\n{_table(figures)}{END}{after}"


def _table(figures: Iterable[Figure]) -> str:
    rows = (
        f"| {each.name} | {each.measured} | {each.aim} | {each.how} | {each.date} |\n"
        for each in figures
    )
    return "| figure | measured | goal | how | date |\n|---|---|---|---|---|\n" + "".join(rows)


def _fields(figure: Figure) -> str:
    values = {name: getattr(figure, name) for name in figure.__struct_fields__}
    return "".join(
        f"{name} = {_plain(value)}\n" for name, value in values.items() if value not in (None, "")
    )


def _plain(value: object) -> str:
    """A TOML value; its strings are written as JSON's are."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
