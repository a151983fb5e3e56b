"""Draw the documentation's diagrams as SVG within a page, in the colours of the page's theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from jinja2 import Environment, StrictUndefined

from wheelhouse.common.root import ROOT

WIDTH, HEIGHT = 164, 64
"""The size of a box, in the pixels of the drawing."""
GAP_X, GAP_Y, MARGIN = 40, 30, 4
LINE = 17
"""The distance between two lines of text."""

_SVG = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string("""\
<figure class="diagram" style="overflow-x: auto" tabindex="0" role="group" aria-label="{{ title }}">
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{ width }} {{ height }}" role="img" \
aria-label="{{ description }}" style="max-width: {{ width }}px; min-width: {{ width * 0.7 }}px; \
font: 14px var(--font-stack, sans-serif)">
<defs><marker id="{{ name }}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" \
markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" \
style="fill: var(--color-foreground-muted)"/></marker></defs>
{% for path in paths %}
<path d="{{ path }}" marker-end="url(#{{ name }}-tip)" \
style="fill: none; stroke: var(--color-foreground-muted); stroke-width: 1.5"/>
{% endfor %}
{% for box in boxes %}
<rect x="{{ box.x }}" y="{{ box.y }}" width="{{ box.width }}" height="{{ box.height }}" rx="6" \
style="fill: var(--color-background-secondary); stroke: var(--color-foreground-border)"/>
{% for line in box.lines %}
<text x="{{ box.x + box.width / 2 }}" y="{{ box.baseline(loop.index0) }}" text-anchor="middle" \
style="fill: var(--color-foreground-primary){{ "; font-weight: 600" if loop.first }}">\
{{ line }}</text>
{% endfor %}
{% endfor %}
</svg>
</figure>
""")


@dataclass(frozen=True)
class Box:
    """A box with lines of text, the first one bold; its place in pixels of the drawing."""

    x: float
    y: float
    lines: tuple[str, ...]
    width: float = WIDTH
    height: float = HEIGHT

    def baseline(self, number: int) -> float:
        """The y of a line's baseline; all lines together are in the middle of the box."""
        first = self.y + self.height / 2 - LINE * (len(self.lines) - 1) / 2
        return first + LINE * number + 5


Cell = tuple[int, int, tuple[str, ...]]
"""A box in a grid: column, row, and lines of text."""

STEPS: dict[str, Cell] = {
    "targets": (0, 0, ("targets", "CPython, processor,", "OS release")),
    "sources": (0, 1, ("sources", "pinned by SHA-256,", "patched")),
    "toolchain": (0, 2, ("toolchain", "zig, CMake, ninja,", "locked")),
    "core": (1, 1, ("core", "TFLite and XNNPACK,", "compiled once")),
    "module": (
        2,
        1,
        (
            "module",
            "all CPythons, or one",
        ),
    ),
    "wheel": (3, 1, ("wheel", "audited")),
    "trials": (3, 2, ("trials", "emulated", "Raspberry Pis")),
    "record": (4, 2, ("record", "what was seen")),
    "index": (4, 1, ("index", "or an upload")),
}
"""The steps from what is pinned to what is published."""

ARROWS = (
    ("targets", "core"),
    ("sources", "core"),
    ("toolchain", "core"),
    ("core", "module"),
    ("module", "wheel"),
    ("wheel", "trials"),
    ("trials", "record"),
    ("record", "index"),
    ("wheel", "index"),
)


def diagram(name: str) -> str:
    """The diagram with that name: ``steps`` or ``layers``.

    Raises KeyError for another name.
    """
    return {"steps": _steps, "layers": _layers}[name]()


def _steps() -> str:
    boxes = {
        name: Box(MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y), lines)
        for name, (column, row, lines) in STEPS.items()
    }
    paths = [_arrow(boxes[start], boxes[end]) for start, end in ARROWS]
    told = ", ".join(f"{start} to {end}" for start, end in ARROWS)
    return _draw("steps", "How a wheel is made", f"Arrows: {told}.", list(boxes.values()), paths)


def _layers() -> str:
    """The layers that import-linter checks, the highest first."""
    settings = msgspec.toml.decode((ROOT / "pyproject.toml").read_bytes())
    contract = settings["tool"]["importlinter"]["contracts"][0]
    rows = [[name.strip() for name in row.split("|")] for row in contract["layers"]]
    whole, height = 3 * WIDTH, 30
    boxes = []
    for number, names in enumerate(rows):
        width = (whole - MARGIN * (len(names) - 1)) / len(names)
        boxes += [
            Box(MARGIN + i * (width + MARGIN), MARGIN + number * 36, (name,), width, height)
            for i, name in enumerate(names)
        ]
    told = "; ".join(" beside ".join(names) for names in rows)
    return _draw(
        "layers", "The layers of imports", f"From the highest to the lowest: {told}.", boxes
    )


def _arrow(start: Box, end: Box) -> str:
    """A path from the side of a box to that of another: to the right, or up or down in a column."""
    if start.x == end.x:
        down = end.y > start.y
        x = start.x + start.width / 2
        return (
            f"M{x} {start.y + (start.height if down else 0)}V{end.y + (0 if down else end.height)}"
        )
    x, to = start.x + start.width, end.x
    y, end_y, middle = start.y + start.height / 2, end.y + end.height / 2, (x + to) / 2
    return f"M{x} {y}C{middle} {y} {middle} {end_y} {to} {end_y}"


def _draw(
    name: str, title: str, description: str, boxes: Sequence[Box], paths: Sequence[str] = ()
) -> str:
    width = max(box.x + box.width for box in boxes) + MARGIN
    height = max(box.y + box.height for box in boxes) + MARGIN
    return _SVG.render(
        name=name,
        title=title,
        description=description,
        boxes=boxes,
        paths=paths,
        width=width,
        height=height,
    )
