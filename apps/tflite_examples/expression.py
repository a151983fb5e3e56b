"""The expression of each face. Model: ``emotion``, 64 x 64 pixels in grey, seven expressions.

Two stages: MediaPipe's detector finds faces, and each is cut out upright for the second model.

Your own model: ``--model PATH --range -1 1 --labels FILE``. It takes a picture of a face and has
one output, a probability or a score for each label. Nine without labels are those of FER+.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tflite_examples import decoding, faces
from tflite_examples.errors import ExampleError
from tflite_examples.faces import Face
from tflite_examples.model import Model, Options
from tflite_examples.pictures import Pen

NOTHING = "no face"

FER_PLUS = [
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    "unknown",
]


@dataclass(frozen=True)
class Expression:
    """A face, the likeliest expression and its probability."""

    face: Face
    label: str
    score: float

    def __str__(self) -> str:
        return f"{self.label} {self.score:.2f}"


class Pipeline:
    """Find faces and their expressions."""

    def __init__(self, options: Options) -> None:
        self._detect = faces.Detector(options)
        self._model = Model("emotion", options)
        (shape,) = self._model.shapes[:1]
        self._labels = self._model.labels or (FER_PLUS if shape[-1] == len(FER_PLUS) else [])
        if shape[-1] != len(self._labels):
            raise ExampleError(
                f"{self._model.path} tells {shape[-1]} expressions apart, but there are "
                f"{len(self._labels)} labels: name a file with them after --labels."
            )

    def run(self, picture: Image.Image) -> list[Expression]:
        """The expressions in a picture."""
        return [self._express(picture, face) for face in self._detect(picture)]

    def _express(self, picture: Image.Image, face: Face) -> Expression:
        cut = face.region().cut(picture, self._model.size[0])
        scores = self._model(self._model.prepare(cut))[0].reshape(-1)
        if scores.min() < 0 or abs(scores.sum() - 1) > 0.05:  # no probabilities yet
            scores = decoding.softmax(scores)
        best = int(np.argmax(scores))
        return Expression(face, self._labels[best], float(scores[best]))

    def draw(self, picture: Image.Image, found: list[Expression]) -> None:
        """Boxes with the expressions."""
        pen = Pen(picture)
        for each in found:
            pen.box(each.face.box, str(each))
