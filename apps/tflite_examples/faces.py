"""Faces: where they are, 468 points of each, and both irises. Models: MediaPipe's.

Three stages: a detector finds faces in the whole picture, each is cut out upright for the model of
its points, and these tell where the eyes are for the model of the iris.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tflite_examples import decoding
from tflite_examples.decoding import Region
from tflite_examples.model import Model, Options
from tflite_examples.pictures import BLUE, MIRRORED, YELLOW, Pen

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "no face"

EYES = {"right": (33, 133), "left": (362, 263)}
"""The corners of the person's eyes among the 468 points, from left to right in the picture."""


@dataclass(frozen=True)
class Face:
    """A face: its box and six points in pixels of the picture.

    The points are the person's right eye, left eye, nose, mouth, right ear and left ear.
    """

    score: float
    box: NDArray[Any]
    points: NDArray[Any]

    def region(self, scale: float = 1.2) -> Region:
        """An upright square around the box, ``scale`` times as wide."""
        left, top, right, bottom = self.box
        side = max(right - left, bottom - top) * scale
        angle = decoding.along(self.points[0], self.points[1])
        return Region((left + right) / 2, (top + bottom) / 2, side, angle)


class Detector:
    """Find faces: what other pipelines begin with."""

    def __init__(self, options: Options, *, replaceable: bool = False) -> None:
        self._model = Model("face_detection", options, replaceable=replaceable)
        self._anchors = decoding.anchors(128, (8, 16, 16, 16))

    def __call__(self, picture: Image.Image, threshold: float = 0.6) -> list[Face]:
        """The faces in a picture, the likeliest first."""
        side = self._model.size[0]
        region = Region.whole(picture)
        values, scores = self._model(self._model.prepare(region.cut(picture, side)))
        found = decoding.ssd(values, scores, self._anchors, side, threshold)
        return [
            Face(score, region.to_picture(box.reshape(2, 2)).reshape(4), region.to_picture(points))
            for box, points, score in zip(*found)
        ]


@dataclass(frozen=True)
class Mesh:
    """A face with its 468 points, and five points of each iris: its centre and four at its rim."""

    face: Face
    points: NDArray[Any]
    irises: NDArray[Any]

    def __str__(self) -> str:
        left, top, right, bottom = self.face.box.round().astype(int)
        return f"face {self.face.score:.2f} at {left},{top} to {right},{bottom}"


class Pipeline:
    """Find faces and their points."""

    def __init__(self, options: Options) -> None:
        self._detect = Detector(options, replaceable=True)
        self._landmarks = Model("face_landmark", options, replaceable=False)
        self._iris = Model("iris_landmark", options, replaceable=False)

    def run(self, picture: Image.Image) -> list[Mesh]:
        """The faces in a picture."""
        return [self._mesh(picture, face) for face in self._detect(picture)]

    def _mesh(self, picture: Image.Image, face: Face) -> Mesh:
        region, side = face.region(1.5), self._landmarks.size[0]
        points, _score = self._landmarks(self._landmarks.prepare(region.cut(picture, side)))
        places = region.to_picture(points.reshape(-1, 3)[:, :2] / side)
        irises = [self._find_iris(picture, name, places) for name in EYES]
        return Mesh(face, places, np.stack(irises))

    def _find_iris(self, picture: Image.Image, name: str, points: NDArray[Any]) -> NDArray[Any]:
        """One of the EYES: the model knows left eyes, so the right one is mirrored."""
        one, other = (points[number] for number in EYES[name])
        (x, y), width, side = (one + other) / 2, np.hypot(*(other - one)), self._iris.size[0]
        region = Region(x, y, 2.3 * float(width), decoding.along(one, other))
        eye = region.cut(picture, side)
        if name == "right":
            eye = eye.transpose(MIRRORED)
        places = self._iris(self._iris.prepare(eye))[1].reshape(-1, 3)[:, :2] / side
        if name == "right":
            places[:, 0] = 1 - places[:, 0]
        return region.to_picture(places)

    def draw(self, picture: Image.Image, found: list[Mesh]) -> None:
        """Boxes, points and irises."""
        pen = Pen(picture)
        for each in found:
            pen.box(each.face.box, f"{each.face.score:.2f}")
            pen.points(each.points[::4], YELLOW)
            for iris in each.irises:
                pen.ring(iris[0], float(np.hypot(*(iris[1:] - iris[0]).T).mean()), BLUE)
