"""Draw charts as SVG within a page: text has the page's colour, marks suit light and dark."""

from __future__ import annotations

import html
import io
import logging
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import floor, log10
from typing import TYPE_CHECKING

from wheelhouse.boards import Row, Session
from wheelhouse.figures import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 340
"""The width of a chart in its own pixels: that of a phone's page, so letters keep their size."""
LINE, MARGIN = 15, 12

_INK = "#123456"
"""The colour of text and lines; in its place the page gets ``currentColor``."""
_COLOURS = ("#c2417c", "#2c7fb8", "#33875a", "#b06a12")
"""Of marks; each has a contrast of 3:1 with white and with the dark pages' ground."""
_SHAPES = ("o", "s", "^", "D", "v", "P", "X")

_STYLE: dict[str, object] = {
    "svg.hashsalt": "tflite-wheelhouse",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 12,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "path.simplify": False,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_NOISE = re.compile(r"font-family: [^;\"]*;? ?| transform=\"rotate\(-0 [^\"]*\"")
"""What text of a page must not have, or does not need."""


def times(session: Session, name: str) -> str:
    """A session's medians, with the 5th and 95th percentile, in a row for each contestant.

    ``name`` begins the ids within the chart and has to be unique in its page.
    """
    contestants = list(dict.fromkeys(row.result.contestant for row in session.rows))
    models = {row.model: [r for r in session.rows if r.model == row.model] for row in session.rows}
    lines = sum(len(_wrapped(words)) for words in (*contestants, *models))
    height = LINE * (lines + len(session.rows) + 4) + 11 * len(models) + MARGIN
    with _axes(height, name, _summary(session, models)) as (axes, drawn):
        y = float(MARGIN)
        for series, contestant in enumerate(contestants):
            _mark(axes, MARGIN + 4, y, series)
            y = _lines(axes, MARGIN + 16, y, contestant)
        scale = Scale(session.rows)
        top = y
        for model, rows in models.items():
            y = _lines(axes, MARGIN, y + 11, model, "bold")
            for row in rows:
                _time(axes, scale, y, row, contestants.index(row.result.contestant))
                y += LINE
        for tick in scale.ticks:
            x = scale.x(tick)
            axes.plot([x, x], [top, y], color=_INK, linewidth=0.5, alpha=0.4, zorder=0)
            _text(axes, x, y + LINE, f"{tick:g}", "center")
        _text(axes, WIDTH / 2, y + 2 * LINE, "milliseconds per inference", "center")
    return drawn[0]


@cache
def ratios(figures: tuple[Figure, ...], name: str) -> str:
    """Figures that are ratios as bars below their names; a stroke is at 1."""
    told = "; ".join(f"{each.name}: {each.measured}" for each in figures)
    lines = sum(len(_wrapped(each.name)) for each in figures)
    unit = (WIDTH - 2 * MARGIN) / 1.3
    with _axes(LINE * (lines + 2 * len(figures)) + MARGIN, name, told) as (axes, drawn):
        y, one = float(MARGIN), MARGIN + unit
        for figure in figures:
            y = _lines(axes, MARGIN, y, figure.name)
            axes.barh(y, figure.value * unit, 11, left=MARGIN, color=_COLOURS[1])
            axes.plot([one, one], [y - 8, y + 8], color=_INK, linewidth=1.5)
            end = MARGIN + max(figure.value, 1) * unit
            _text(axes, end + 6, y, f"{figure.value} {figure.unit}")
            y += 2 * LINE
    return drawn[0]


def number(value: float) -> str:
    """A positive number with three digits, as in ``0.297``; all those of a larger one."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


class Scale:
    """A logarithmic axis from one of 1, 2, 5, 10, … milliseconds to another."""

    def __init__(self, rows: Sequence[Row]) -> None:
        found = [row.result.measured.times for row in rows]
        least, most = min(t.p5_ms for t in found), max(t.p95_ms for t in found)
        steps = [
            digit * 10.0**power
            for power in range(floor(log10(least)), floor(log10(most)) + 2)
            for digit in (1, 2, 5)
        ]
        below = [step for step in steps if step <= least]
        above = [step for step in steps if step > most]
        self.first, self.last = below[-1], above[0]
        between = [step for step in steps if self.first <= step <= self.last]
        decades = [step for step in between if f"{step:e}".startswith("1")]
        self.ticks = between if len(between) < 8 else decades

    def x(self, milliseconds: float) -> float:
        """The place of a time in pixels of the chart."""
        share = log10(milliseconds / self.first) / log10(self.last / self.first)
        return MARGIN + 10 + share * (WIDTH - 2 * MARGIN - 20)


def _summary(session: Session, models: dict[str, list[Row]]) -> str:
    """What the chart shows, for those who do not see it; the table beside it has all figures."""
    firsts = {model: rows[0].result for model, rows in models.items()}
    fastest = "; ".join(
        f"{model}: {each.contestant}, {number(each.measured.times.median_ms)} ms"
        for model, each in firsts.items()
    )
    return (
        f"Milliseconds per inference on {session.board}, {session.day}. The fastest for "
        f"each model: {fastest}."
    )


def _time(axes: Axes, scale: Scale, y: float, row: Row, series: int) -> None:
    """A median with its number beside it, hollow if it is doubtful, and its percentiles."""
    measured = row.result.measured.times
    x, low, high = map(scale.x, (measured.median_ms, measured.p5_ms, measured.p95_ms))
    axes.plot([low, high], [y, y], color=_INK, linewidth=1, alpha=0.7)
    _mark(axes, x, y, series, bool(row.result.marks))
    told = number(measured.median_ms)
    if high < WIDTH * 0.8:
        _text(axes, max(high, x + 5) + 4, y, told)
    else:
        _text(axes, min(low, x - 5) - 4, y, told, "right")


def _mark(axes: Axes, x: float, y: float, series: int, hollow: bool = False) -> None:
    colour = _COLOURS[series % len(_COLOURS)]
    axes.plot(
        [x],
        [y],
        linestyle="none",
        marker=_SHAPES[series % len(_SHAPES)],
        markersize=7,
        markeredgecolor=colour,
        markeredgewidth=1.5,
        markerfacecolor="none" if hollow else colour,
    )


def _lines(axes: Axes, x: float, y: float, text: str, weight: str = "normal") -> float:
    """Write text in as many lines as it needs; the y of the line below."""
    for line in _wrapped(text):
        _text(axes, x, y, line, weight=weight)
        y += LINE
    return y


def _text(
    axes: Axes, x: float, y: float, text: str, align: str = "left", weight: str = "normal"
) -> None:
    axes.text(x, y + 4, text, ha=align, va="baseline", weight=weight)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 42, break_on_hyphens=False)


@contextmanager
def _axes(height: float, name: str, label: str) -> Iterator[tuple[Axes, list[str]]]:
    """Axes in pixels from the upper left corner; the list then has the SVG element."""
    # Imported here because matplotlib loads slowly and most tasks draw nothing.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no words about its cache of fonts
    from matplotlib import style
    from matplotlib.figure import Figure as Drawing

    drawn: list[str] = []
    with style.context(_STYLE, after_reset=True):
        drawing = Drawing(figsize=(WIDTH / 72, height / 72), dpi=72)
        axes = drawing.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        yield axes, drawn
        written = io.StringIO()
        drawing.savefig(written, format="svg", transparent=True, metadata=_NO_METADATA)
    drawn.append(_inline(written.getvalue(), name, label, height))


def _inline(svg: str, name: str, label: str, height: float) -> str:
    """A file's SVG as an element of a page, without ids and colours that a page may not have."""
    inner = re.sub(
        r"^.*?<svg\b[^>]*>|<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S
    )
    inner = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", inner)
    inner = _NOISE.sub("", inner).replace(_INK, "currentColor")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{html.escape(label)}" style="width: 100%; max-width: 36rem">'
    )
    return re.sub(r"\n\s*", "\n", head + inner).strip()
