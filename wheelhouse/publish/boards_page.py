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
    *("Model", "Runtime, delegate", "Threads", "Median", "5 to 95 %", "Per second"),
    *("Load, first", "Peak memory", "Temperature", "Remarks"),
)

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def page(sessions: Sequence[Session], figures: Sequence[Figure], docs: bool = False) -> bytes:
    """The page; ``docs`` tells whether the site has the documentation."""
    drawn = [charts.times(each, f"chart-{number}") for number, each in enumerate(sessions)]
    context = {
        "sessions": list(zip(sessions, drawn, strict=True)),
        "columns": COLUMNS,
        "cells": cells,
        "counted": counted(figures),
        "instructions": instructions(figures) if not sessions else "",
        "docs": docs,
        "choices": (),  # of front.css
    }
    return templates.get_template(FILE).render(context).encode()


def markdown(sessions: Sequence[Session]) -> str:
    """A section for each session, or the sentence that there is none."""
    if not sessions:
        return "No board has reported yet."
    return "\n\n".join(_section(each, f"chart-{n}") for n, each in enumerate(sessions))


def instructions(figures: Sequence[Figure]) -> str:
    """A chart of those figures that are ratios of instructions."""
    return _figure(charts.ratios(counted(figures), "instructions"), "Instructions")


def counted(figures: Sequence[Figure]) -> list[Figure]:
    """The figures that are ratios of instructions, counted on emulated boards."""
    return [each for each in figures if each.name.startswith("Instructions")]


def cells(row: Row) -> tuple[str, ...]:
    """A row's text below each of :data:`COLUMNS`."""
    result, measured = row.result, row.result.measured
    times, number = measured.times, charts.number
    return (
        row.model,
        result.contestant,
        str(result.threads),
        f"{number(times.median_ms)} ms",
        f"{number(times.p5_ms)} to {number(times.p95_ms)} ms",
        number(1000 / times.median_ms),
        f"{number(measured.load_ms)}, {number(measured.first_ms)} ms",
        f"{measured.peak_bytes / 1e6:.0f} MB" if measured.peak_bytes else "unknown",
        _celsius(result.celsius_before, result.celsius_after),
        "; ".join(result.marks) or "none",
    )


def _celsius(before: float | None, after: float | None) -> str:
    return "unknown" if before is None or after is None else f"{before:.0f} to {after:.0f} °C"


def _section(session: Session, name: str) -> str:
    title = f"{session.board}, {session.day}"
    head = f"### {_escaped(title)}\n\n{_escaped(session.conditions)}"
    drawn = _figure(charts.times(session, name), "Times")
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(_escaped_cells, session.rows)]
    return f"{head}\n\n{drawn}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped_cells(row: Row) -> list[str]:
    return [_escaped(cell) for cell in cells(row)]


def _escaped(text: str) -> str:
    """Text as Markdown that shows it as it is, on one line."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def _figure(svg: str, label: str) -> str:
    return f'<figure class="diagram" role="group" aria-label="{label}">\n{svg}\n</figure>'
