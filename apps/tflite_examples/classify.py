"""What a picture shows. Model: ``efficientnet``, 224 x 224 pixels, 1000 classes of ImageNet.

One stage: the square in the picture's middle, scaled to the model's size.

Your own model: ``--model PATH --labels FILE``, with ``--range`` unless it takes bytes or 0 to 1.
It has one output, a probability or a score for each label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tflite_examples import decoding
from tflite_examples.decoding import Region
from tflite_examples.model import Model, Options
from tflite_examples.pictures import Pen

NOTHING = "no class"
COUNT, LEAST = 5, 0.05
"""Classes to tell, at most, and their probability, at least."""


@dataclass(frozen=True)
class Class:
    """A class and its probability."""

    label: str
    score: float

    def __str__(self) -> str:
        return f"{self.label} {self.score:.2f}"


class Pipeline:
    """Classify pictures."""

    def __init__(self, options: Options) -> None:
        self._model = Model("efficientnet", options)

    def run(self, picture: Image.Image) -> list[Class]:
        """The likeliest classes of a picture, in order; none if nothing is likely."""
        width, height = picture.size
        middle = Region(width / 2, height / 2, min(width, height))
        cut = middle.cut(picture, self._model.size[0])
        scores = self._model(self._model.prepare(cut))[0].reshape(-1)
        if scores.min() < 0 or abs(scores.sum() - 1) > 0.2:  # no probabilities yet
            scores = decoding.softmax(scores)
        best = np.argsort(-scores, kind="mergesort")[:COUNT]
        return [
            Class(self._label(number), float(scores[number]))
            for number in best
            if scores[number] >= LEAST
        ]

    def _label(self, number: int) -> str:
        labels = self._model.labels
        return labels[number] if number < len(labels) else f"class {number}"

    def draw(self, picture: Image.Image, found: list[Class]) -> None:
        """The classes in the picture's corner."""
        pen = Pen(picture)
        for number, each in enumerate(found):
            pen.row(number, str(each))
