"""Measured figures: ``figures.toml`` stores them; README, front page and docs show them."""

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
# Measured figures. `invoke bench` writes this file and makes README's table from it.
# A figure that a run cannot measure keeps its value and date.
"""


class Figure(Table, frozen=True):
    """One measured figure.

    ``value`` and ``goal`` are in ``unit``; the value should not exceed the goal. ``detail`` has the
    numbers that the value was computed from, or the measured case. ``how`` is the method.
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
        """The value as text, as in ``13.7 min`` or ``0.821 (175 M / 213 M)``."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.value} {self.unit}".rstrip() + detail

    @property
    def aim(self) -> str:
        """The goal as text, as in ``≤ 20 min``; a dash if there is none."""
        return "—" if self.goal is None else f"≤ {self.goal} {self.unit}".rstrip()


def read(path: Path = FILE) -> dict[str, Figure]:
    """Read the figures by key; raises WheelhouseError if the file is not valid."""
    return load(path, dict[str, Figure])


def write(figures: Mapping[str, Figure], path: Path = FILE) -> None:
    """Write the figures in the format that :func:`read` reads."""
    tables = (f"\n[{key}]\n{_fields(figure)}" for key, figure in figures.items())
    path.write_text(_HEAD + "".join(tables), encoding="utf-8")


def update_readme(figures: Iterable[Figure], readme: Path = README) -> None:
    """Update README's table of figures; raises WheelhouseError if README has no place for it."""
    text = with_table(readme.read_text(encoding="utf-8"), figures)
    readme.write_text(text, encoding="utf-8")


def with_table(text: str, figures: Iterable[Figure]) -> str:
    """README's text with a new table between its two marks.

    Raises WheelhouseError if a mark is missing.
    """
    before, _, rest = text.partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise WheelhouseError(
            "README.md has no place for the figures.", f"Restore the lines {START} and {END}."
        )
    return f"{before}{START}\n{table(figures)}{END}{after}"


def table(figures: Iterable[Figure]) -> str:
    """A table of figures, in Markdown."""
    rows = (
        f"| {each.name} | {each.measured} | {each.aim} | {each.how} | {each.date} |\n"
        for each in figures
    )
    return "| figure | measured | goal | how | date |\n|---|---|---|---|---|\n" + "".join(rows)


def _fields(figure: Figure) -> str:
    values = {name: getattr(figure, name) for name in figure.__struct_fields__}
    return "".join(
        f"{name} = {_toml_value(value)}\n"
        for name, value in values.items()
        if value not in (None, "")
    )


def _toml_value(value: object) -> str:
    """A TOML value; strings have JSON's syntax, which TOML accepts."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
