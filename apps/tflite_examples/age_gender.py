"""Age and gender of each face. Model: ``faceres``, 224 x 224 pixels.

Two stages: MediaPipe's detector finds faces, and each is cut out upright for the second model,
which has three outputs: gender from 0 (female) to 1 (male), the probabilities of the ages 0 to 99
years, and features, which the pipeline ``recognise`` uses. Your own model: the same outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tflite_examples import faces
from tflite_examples.errors import ExampleError
from tflite_examples.faces import Face
from tflite_examples.model import Model, Options
from tflite_examples.pictures import BLUE, RED, Pen

NOTHING = "no face"


@dataclass(frozen=True)
class Person:
    """A face, its age in years, and the probability that it is a man's."""

    face: Face
    age: float
    male: float

    @property
    def gender(self) -> str:
        """The likelier one."""
        return "male" if self.male > 0.5 else "female"

    def __str__(self) -> str:
        return f"{self.gender} {max(self.male, 1 - self.male):.2f}, {self.age:.0f} years"


class Pipeline:
    """Find faces, their ages and genders."""

    def __init__(self, options: Options) -> None:
        self._detect = faces.Detector(options)
        self._model = Model("faceres", options)
        if self._model.shapes[:2] != [(1, 1), (1, 100)]:
            raise ExampleError(f"{self._model.path} has no outputs (1, 1) and (1, 100) first.")

    def run(self, picture: Image.Image) -> list[Person]:
        """The people in a picture."""
        return [self._guess(picture, face) for face in self._detect(picture)]

    def _guess(self, picture: Image.Image, face: Face) -> Person:
        cut = face.region().cut(picture, self._model.size[0])
        male, ages, *_features = self._model(self._model.prepare(cut))
        return Person(face, float(ages.reshape(-1) @ np.arange(100)), float(male.item()))

    def draw(self, picture: Image.Image, found: list[Person]) -> None:
        """Boxes with gender and age."""
        pen = Pen(picture)
        for each in found:
            pen.box(each.face.box, str(each), BLUE if each.male > 0.5 else RED)
