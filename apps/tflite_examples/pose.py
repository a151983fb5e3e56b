"""Poses: 33 points of each person. Models: MediaPipe's.

Two stages: a detector finds people in the whole picture, and each is cut out upright for the model
of the points, which also tells how likely each is visible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tflite_examples import decoding
from tflite_examples.decoding import Region
from tflite_examples.model import Model, Options
from tflite_examples.pictures import GREEN, RED, Pen

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "no person"
HIPS, REACH = 0, 1
"""Points of a person: between the hips, and at the rim of a circle around all of the body."""

BONES = [
    *((11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    *((11, 23), (12, 24), (23, 24)),
    *((23, 25), (25, 27), (27, 31), (24, 26), (26, 28), (28, 32)),
]


@dataclass(frozen=True)
class Person:
    """A person: 33 points in pixels of the picture, and how likely each is visible.

    The first is the nose; 11 and 12 are the shoulders, 15 and 16 the wrists, 23 and 24 the hips,
    27 and 28 the ankles: first the person's left, then the right.
    """

    score: float
    points: NDArray[Any]
    visible: NDArray[Any]

    def __str__(self) -> str:
        x, y = self.points[0].round().astype(int)
        seen = int((self.visible > 0.5).sum())
        return f"person {self.score:.2f}, nose at {x},{y}, {seen} of 33 points visible"


class Pipeline:
    """Find people and their points."""

    def __init__(self, options: Options) -> None:
        self._people = Model("pose_detection", options, replaceable=False)
        self._landmarks = Model("pose_landmark", options)
        self._anchors = decoding.anchors(224, (8, 16, 32, 32, 32))

    def run(self, picture: Image.Image) -> list[Person]:
        """The people in a picture."""
        people = [self._points(picture, region) for region in self._regions(picture)]
        return [person for person in people if person.score > 0.5]

    def _regions(self, picture: Image.Image) -> list[Region]:
        """An upright square around each person."""
        whole, side = Region.whole(picture), self._people.size[0]
        values, scores = self._people(self._people.prepare(whole.cut(picture, side)))
        _, points, _ = decoding.ssd(values, scores, self._anchors, side, 0.5)
        found = []
        for marks in whole.to_picture(points):
            x, y = marks[HIPS]
            radius = float(np.hypot(*(marks[REACH] - marks[HIPS])))
            angle = decoding.along(marks[HIPS], marks[REACH], -math.pi / 2)
            found.append(Region(x, y, 2 * 1.25 * radius, angle))
        return found

    def _points(self, picture: Image.Image, region: Region) -> Person:
        side = self._landmarks.size[0]
        points, score, *_ = self._landmarks(self._landmarks.prepare(region.cut(picture, side)))
        rows = points.reshape(-1, 5)[:33]  # the six others are for following a person
        places = region.to_picture(rows[:, :2] / side)
        return Person(float(score.item()), places, decoding.sigmoid(rows[:, 3]))

    def draw(self, picture: Image.Image, found: list[Person]) -> None:
        """Bones and joints that are visible."""
        pen = Pen(picture)
        for each in found:
            seen = each.visible > 0.5
            pen.lines(each.points, [bone for bone in BONES if seen[list(bone)].all()], GREEN)
            pen.points(each.points[seen], RED)
