"""Objects of 80 classes. Models: ``nanodet``, 416 x 416 pixels; ``centernet``, 512 x 512.

One stage: the picture is stretched to the model's size; boxes are decoded, and overlapping ones of
a class go.

Your own model: ``--model PATH --labels FILE``, and for YOLOv2 and YOLOv3 ``--anchors``: width and
height of each, in pixels of the input, for one grid after the other as the outputs are. What an
output means is told by the number of outputs and their shapes; ``decoding`` documents them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tflite_examples import decoding
from tflite_examples.errors import ExampleError
from tflite_examples.model import Model, Options
from tflite_examples.pictures import Pen

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "no object"
COLOURS = [(0, 150, 60), (220, 40, 40), (40, 110, 230), (200, 120, 0), (140, 60, 190)]


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only this pipeline has."""
    parser.add_argument("--score", type=float, default=0.4, help="of an object, at least (0.4)")
    parser.add_argument("--anchors", default="", metavar="W,H,…", help="of a YOLO model, in pixels")


@dataclass(frozen=True)
class Thing:
    """An object: its class and probability, its box in pixels of the picture."""

    label: str
    number: int
    score: float
    box: NDArray[Any]

    def __str__(self) -> str:
        left, top, right, bottom = self.box.round().astype(int)
        return f"{self.label} {self.score:.2f} at {left},{top} to {right},{bottom}"


class Pipeline:
    """Find objects."""

    def __init__(self, options: Options, score: float = 0.4, anchors: str = "") -> None:
        self._model = Model("nanodet", options)
        self._score, self._anchors = score, _numbers(anchors)

    def run(self, picture: Image.Image) -> list[Thing]:
        """The objects in a picture, the likeliest first."""
        outputs = [each[0] for each in self._model(self._model.prepare(picture))]
        boxes, scores, classes = self._decode(outputs)
        scaled = np.clip(boxes, 0, 1) * (picture.size * 2)
        return [
            Thing(self._label(int(number)), int(number), float(score), box)
            for box, score, number in zip(scaled, scores, classes)
        ]

    def _label(self, number: int) -> str:
        labels = self._model.labels
        return labels[number] if number < len(labels) else f"class {number}"

    def _decode(self, outputs: list[NDArray[Any]]) -> decoding.Found:
        side, count = self._model.size[0], len(self._model.labels)
        if any(each.ndim != 3 for each in outputs):
            shapes = " and ".join(map(str, self._model.shapes))
            raise ExampleError(f"{self._model.path} has outputs {shapes}, which are no grids.")
        if self._anchors is not None:
            sizes = self._anchors / (self._model.size[1], side)
            if len(sizes) % len(outputs):
                raise ExampleError(f"{len(sizes)} anchors are not for {len(outputs)} grids.")
            parts = np.split(sizes, len(outputs))
            for grid, part in zip(outputs, parts):
                if grid.shape[2] % len(part) or grid.shape[2] // len(part) < 6:
                    raise ExampleError(f"{grid.shape[2]} channels are not {len(part)} anchors'.")
            return decoding.yolo(outputs, parts, self._score, exclusive=len(outputs) == 1)
        if len(outputs) == 2 and outputs[1].shape[2] == 4:
            return decoding.centernet(outputs[0], outputs[1], side, self._score)
        distances = {each.shape[2] - count for each in outputs}
        if count and all(each > 4 and each % 4 == 0 for each in distances):
            return decoding.nanodet(outputs, count, self._score)
        raise ExampleError("For a YOLO model give --anchors; for NanoDet's kind, --labels.")

    def draw(self, picture: Image.Image, found: list[Thing]) -> None:
        """Boxes with class and probability."""
        pen = Pen(picture)
        for each in reversed(found):  # the likeliest on top
            colour = COLOURS[each.number % len(COLOURS)]
            pen.box(each.box, f"{each.label} {each.score:.2f}", colour)


def _numbers(text: str) -> NDArray[Any] | None:
    if not text:
        return None
    try:
        return np.array([float(word) for word in text.split(",")]).reshape(-1, 2)
    except ValueError:
        raise ExampleError(f"--anchors {text} are not pairs of numbers.") from None
