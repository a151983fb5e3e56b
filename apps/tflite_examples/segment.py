"""What each pixel shows. Model: ``deeplab``, 257 x 257 pixels, 20 classes of Pascal VOC.

One stage: the picture is stretched to the model's size, and the scores of each class to the
picture's. ``--model selfie_segmentation`` has one class, and needs TFLite 2.22 or later.

Your own model: ``--model PATH --labels FILE``, with ``--range`` unless it takes bytes or 0 to 1. It
has one output: for each pixel a score by label, the first of them the background, or a probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tflite_examples.errors import ExampleError
from tflite_examples.model import Model, Options
from tflite_examples.pictures import BILINEAR, Pen

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "nothing but background"
LEAST = 0.005
"""The share of a picture that a class has, at least."""

COLOURS = [(230, 60, 60), (60, 160, 75), (60, 110, 230), (245, 160, 40), (150, 60, 180)]


@dataclass(frozen=True)
class Area:
    """A class and its mask: an array of booleans as high and wide as the picture."""

    label: str
    number: int
    mask: NDArray[Any]

    def __str__(self) -> str:
        return f"{self.label}: {self.mask.mean():.1%} of the picture"


class Pipeline:
    """Segment pictures."""

    def __init__(self, options: Options) -> None:
        self._model = Model("deeplab", options)
        if len(self._model.shapes[0]) != 4:
            raise ExampleError(f"{self._model.path} has no output with a score for each pixel.")
        alone = ["background", "foreground"] if self._model.shapes[0][3] == 1 else []
        self._labels = self._model.labels or alone

    def run(self, picture: Image.Image) -> list[Area]:
        """The classes in a picture, the largest first, without the background."""
        (scores,) = self._model(self._model.prepare(picture))[0]
        if scores.shape[2] == 1:  # the probability of one class
            scores = np.concatenate([1 - scores, scores], axis=2)
        best = _enlarged(scores, picture.size)
        areas = [
            Area(self._label(number), number, best == number)
            for number in np.unique(best).tolist()
            if number
        ]
        large = [area for area in areas if area.mask.mean() >= LEAST]
        return sorted(large, key=lambda area: -area.mask.mean())

    def _label(self, number: int) -> str:
        return self._labels[number] if number < len(self._labels) else f"class {number}"

    def draw(self, picture: Image.Image, found: list[Area]) -> None:
        """A veil of colour for each class."""
        pen = Pen(picture)
        for row, area in enumerate(found):
            colour = COLOURS[area.number % len(COLOURS)]
            veil = Image.fromarray((area.mask * 130).astype(np.uint8))
            picture.paste(Image.new("RGB", picture.size, colour), (0, 0), veil)
            pen.row(row, str(area), colour)


def _enlarged(scores: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """The number of the best class for each pixel of a picture of this size.

    Only classes that are best somewhere are enlarged, one at a time, to save memory.
    """
    present = np.unique(scores.argmax(axis=2))
    best = np.zeros((size[1], size[0]), np.int64)
    highest = np.full((size[1], size[0]), -np.inf, np.float32)
    for number in present.tolist():
        layer = Image.fromarray(np.ascontiguousarray(scores[..., number], np.float32))
        values = np.asarray(layer.resize(size, BILINEAR))
        better = values > highest
        best[better], highest[better] = number, values[better]
    return best
