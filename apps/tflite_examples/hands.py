"""Hands: 21 points of each, and whether it is a left or a right one. Models: MediaPipe's.

Two stages: a detector finds palms in the whole picture, and each hand is cut out upright for the
model of its points.
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

NOTHING = "no hand"
WRIST, MIDDLE = 0, 2
"""Points of a palm: the wrist, and where the middle finger begins."""

BONES = [
    *((0, 1), (1, 2), (2, 3), (3, 4)),
    *((0, 5), (5, 6), (6, 7), (7, 8)),
    *((5, 9), (9, 10), (10, 11), (11, 12)),
    *((9, 13), (13, 14), (14, 15), (15, 16)),
    *((13, 17), (0, 17), (17, 18), (18, 19), (19, 20)),
]


@dataclass(frozen=True)
class Hand:
    """A hand: its 21 points in pixels of the picture, the wrist first, then finger by finger.

    ``right`` is the probability that it is a right hand.
    """

    score: float
    right: float
    points: NDArray[Any]

    @property
    def side(self) -> str:
        """The likelier side."""
        return "right" if self.right > 0.5 else "left"

    def __str__(self) -> str:
        x, y = self.points[0].round().astype(int)
        return f"{self.side} hand {self.score:.2f}, wrist at {x},{y}"


class Pipeline:
    """Find hands and their points."""

    def __init__(self, options: Options) -> None:
        self._palms = Model("palm_detection", options, replaceable=False)
        self._landmarks = Model("hand_landmark", options)
        self._anchors = decoding.anchors(192, (8, 16, 16, 16))

    def run(self, picture: Image.Image) -> list[Hand]:
        """The hands in a picture."""
        hands = [self._points(picture, region) for region in self._regions(picture)]
        return [hand for hand in hands if hand.score > 0.5]

    def _regions(self, picture: Image.Image) -> list[Region]:
        """An upright square around each hand that has a palm in the picture."""
        whole, side = Region.whole(picture), self._palms.size[0]
        values, scores = self._palms(self._palms.prepare(whole.cut(picture, side)))
        boxes, points, _ = decoding.ssd(values, scores, self._anchors, side, 0.5)
        found = []
        for box, marks in zip(whole.to_picture(boxes.reshape(-1, 2, 2)), whole.to_picture(points)):
            angle = decoding.along(marks[WRIST], marks[MIDDLE], -math.pi / 2)
            width = float((box[1] - box[0]).max())
            upwards = np.array([math.sin(angle), -math.cos(angle)])
            x, y = box.mean(axis=0) + 0.5 * width * upwards  # the fingers are above the palm
            found.append(Region(x, y, 2.6 * width, angle))
        return found

    def _points(self, picture: Image.Image, region: Region) -> Hand:
        side = self._landmarks.size[0]
        points, score, right, *_ = self._landmarks(
            self._landmarks.prepare(region.cut(picture, side))
        )
        places = region.to_picture(points.reshape(-1, 3)[:, :2] / side)
        return Hand(float(score.item()), float(right.item()), places)

    def draw(self, picture: Image.Image, found: list[Hand]) -> None:
        """Bones, joints and the side."""
        pen = Pen(picture)
        for each in found:
            pen.lines(each.points, BONES, GREEN)
            pen.points(each.points, RED)
            pen.text(each.points.min(axis=0), f"{each.side} {each.score:.2f}")
