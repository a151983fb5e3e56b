"""The documentation's diagrams: what they show is what the code and the figures say."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest

from tests.support import REPO
from wheelhouse.publish import diagrams

SVG = "{http://www.w3.org/2000/svg}"


def drawn(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(diagrams.diagram(name))  # noqa: S314


def texts(root: ElementTree.Element) -> list[str]:
    return [(each.text or "").strip() for each in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", ["steps", "layers"])
def test_a_diagram_is_one_block_of_markdown_that_a_screen_reader_can_tell(name: str) -> None:
    text = diagrams.diagram(name)
    assert text.startswith("<figure ")
    assert "\n\n" not in text.strip()
    (image,) = drawn(name).iter(f"{SVG}svg")
    assert image.get("role") == "img"
    assert len(image.get("aria-label") or "") > 40


def test_each_arrow_begins_and_ends_at_a_box() -> None:
    root = drawn("steps")
    boxes = [
        tuple(float(each.get(side) or 0) for side in ("x", "y", "width", "height"))
        for each in root.iter(f"{SVG}rect")
    ]
    assert len(boxes) == len(diagrams.STEPS)
    places = {(x, y) for x, y, *_ in boxes}
    assert len(places) == len(boxes)
    arrows = [each for each in root.iter(f"{SVG}path") if each.get("marker-end")]
    assert len(arrows) == len(diagrams.ARROWS)


def test_the_layers_are_those_that_lint_checks() -> None:
    settings = msgspec.toml.decode((REPO / "pyproject.toml").read_bytes())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    assert texts(drawn("layers")) == [name.strip() for row in layers for name in row.split("|")]
