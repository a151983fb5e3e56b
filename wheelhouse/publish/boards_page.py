"""What boards measured, as a page of the site and as a part of the documentation.

Where no board has reported, the page has the instructions that were counted on emulated boards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wheelhouse.boards import Row, Session
from wheelhouse.figures import Figure
from wheelhouse.publish import charts
from wheelhouse.publish.index import templates

FILE = "boards.html"

COLUMNS = (
    *("Runtime, delegate, threads", "Median", "5 to 95 %", "Per second"),
    *("Peak memory", "Temperature"),
)

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def page(sessions: Sequence[Session], figures: Sequence[Figure], docs: bool = False) -> bytes:
    """The page; ``docs`` tells whether the site has the documentation."""
    drawn = [_figure(charts.times(each, f"chart-{n}")) for n, each in enumerate(sessions)]
    context = {
        "sessions": list(zip(sessions, drawn, strict=True)),
        "columns": COLUMNS,
        "cells": cells,
        "counted": counted(figures),
        "instructions": instructions(figures) if not sessions else "",
        "docs": docs,
        "panels": (),  # of front.css
    }
    return templates.get_template(FILE).render(context).encode()


def markdown(sessions: Sequence[Session]) -> str:
    """A section for each session, or the sentence that there is none."""
    if not sessions:
        return "No board has reported yet."
    return "\n\n".join(_section(each, f"chart-{n}") for n, each in enumerate(sessions))


def instructions(figures: Sequence[Figure]) -> str:
    """A chart of those figures that are ratios of instructions."""
    return _figure(charts.ratios(counted(figures), "instructions"))


def counted(figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """The figures that are ratios of instructions, counted on emulated boards."""
    return tuple(each for each in figures if each.name.startswith("Instructions"))


def cells(row: Row) -> tuple[str, ...]:
    """A row's text below each of :data:`COLUMNS`."""
    result, measured = row.result, row.result.measured
    times, number = measured.times, charts.number
    return (
        result.contestant,
        f"{number(times.median_ms)} ms",
        f"{number(times.p5_ms)} to {number(times.p95_ms)} ms",
        number(1000 / times.median_ms),
        f"{measured.peak_bytes / 1e6:.0f} MB" if measured.peak_bytes else "unknown",
        _celsius(result.celsius_before, result.celsius_after),
    )


def _celsius(before: float | None, after: float | None) -> str:
    return "unknown" if before is None or after is None else f"{before:.0f} to {after:.0f} °C"


def _section(session: Session, name: str) -> str:
    title = f"{session.board}, {session.day}"
    head = f"### {_escaped(title)}\n\n{_escaped(session.conditions)}"
    lines = [("Model", *COLUMNS), ["---"] * (len(COLUMNS) + 1), *map(_line, session.rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{head}\n\n{_figure(charts.times(session, name))}\n\n{table}"


def _line(row: Row) -> list[str]:
    """A row of a table in Markdown; remarks are behind the contestant."""
    contestant, *figures = cells(row)
    remarks = f" ({'; '.join(row.result.marks)})" if row.result.marks else ""
    return [_escaped(cell) for cell in (row.model, contestant + remarks, *figures)]


def _escaped(text: str) -> str:
    """Text as Markdown that shows it as it is, on one line."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def _figure(svg: str) -> str:
    return f'<figure style="margin: 1.25rem 0">\n{svg}\n</figure>'
