"""What models' outputs mean: anchors, heads, non-maximum suppression, regions and landmarks.

Boxes are arrays (number, 4) of left, top, right and bottom, as fractions of the model's input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tflite_examples.pictures import AFFINE, BILINEAR, BOX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Found = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    """Boxes, their scores, and the numbers of their classes."""


def sigmoid(values: Any) -> NDArray[Any]:
    """The logistic function, in a form that cannot overflow."""
    found: NDArray[Any] = (1 + np.tanh(np.asarray(values, np.float64) / 2)) / 2
    return found


def softmax(values: NDArray[Any]) -> NDArray[Any]:
    """The softmax function, along the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    found: NDArray[Any] = powers / powers.sum(axis=-1, keepdims=True)
    return found


def overlaps(box: NDArray[Any], boxes: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of a box with each of some boxes."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    union = areas + np.clip(box[2:] - box[:2], 0, None).prod() - common
    found: NDArray[Any] = common / np.maximum(union, 1e-12)
    return found


def suppress(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    classes: NDArray[Any] | None = None,
    limit: float = 0.5,
) -> list[int]:
    """Non-maximum suppression: the numbers of the boxes to keep, the likeliest first.

    A box goes if its overlap with a likelier one of its class is above ``limit``.
    """
    left = np.argsort(-scores, kind="mergesort")
    kept = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        goes = overlaps(boxes[best], boxes[left]) > limit
        if classes is not None:
            goes &= classes[left] == classes[best]
        left = left[~goes]
    return kept


def anchors(side: int, strides: Sequence[int]) -> NDArray[Any]:
    """The centres of MediaPipe's anchors, x and y as fractions: an array (number, 2).

    Each of the ``strides`` in pixels of an input ``side`` pixels wide is a grid with two anchors a
    cell; equal strides in a row share a grid.
    """
    centres = []
    for stride in sorted(set(strides)):
        cells = math.ceil(side / stride)
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        centres.append(grid.repeat(2 * list(strides).count(stride), axis=0))
    return np.concatenate(centres)


def ssd(
    regressors: NDArray[Any],
    scores: NDArray[Any],
    centres: NDArray[Any],
    side: int,
    threshold: float,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Boxes, points and scores in the outputs of MediaPipe's detectors, likeliest first.

    A regressor is x, y, width and height of a box, then x and y of each point, in pixels of an
    input ``side`` pixels wide, relative to the anchor's centre. Points are (number, points, 2).
    """
    likely = sigmoid(scores.reshape(-1))
    chosen = np.flatnonzero(likely >= threshold)
    values = regressors.reshape(len(likely), -1, 2)[chosen].astype(np.float64) / side
    middle, half, start = values[:, 0] + centres[chosen], values[:, 1] / 2, centres[chosen]
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    points = values[:, 2:] + start[:, np.newaxis]
    kept = suppress(boxes, likely[chosen], limit=0.3)
    return boxes[kept], points[kept], likely[chosen][kept]


def centernet(scores: NDArray[Any], sizes: NDArray[Any], side: int, threshold: float) -> Found:
    """Decode CenterNet: the probability of a centre by cell and class, and distances in pixels.

    A cell counts if none of its eight neighbours is likelier for its class.
    """
    cells = len(scores)
    padded = np.pad(scores, ((1, 1), (1, 1), (0, 0)), mode="constant")
    shifted = [padded[y : y + cells, x : x + cells] for y in range(3) for x in range(3)]
    peaks = (scores >= np.max(shifted, axis=0)) & (scores >= threshold)
    y, x, classes = np.nonzero(peaks)
    start = np.stack([x, y], axis=1) / cells
    reach = sizes[y, x].astype(np.float64) / side
    boxes = np.concatenate([start - reach[:, :2], start + reach[:, 2:]], axis=1)
    return _distinct(boxes, scores[y, x, classes], classes)


def nanodet(grids: Sequence[NDArray[Any]], count: int, threshold: float) -> Found:
    """Decode NanoDet: each grid has a score by class and the distribution of four distances.

    A grid is (cells, cells, channels) for ``count`` classes; distances are in cells.
    """
    found = []
    for grid in grids:
        rows = grid.reshape(-1, grid.shape[-1])
        scores = sigmoid(rows[:, :count])
        cell = np.flatnonzero(scores.max(axis=1) >= threshold)
        bins = (rows.shape[1] - count) // 4
        reach = softmax(rows[cell, count:].reshape(-1, 4, bins)) @ np.arange(bins)
        middle = np.stack([cell % len(grid) + 0.5, cell // len(grid) + 0.5], axis=1)
        boxes = np.concatenate([middle - reach[:, :2], middle + reach[:, 2:]], axis=1) / len(grid)
        found.append((boxes, scores[cell].max(axis=1), scores[cell].argmax(axis=1)))
    return _distinct(*(np.concatenate(parts) for parts in zip(*found)))


def yolo(
    grids: Sequence[NDArray[Any]],
    anchors: Sequence[NDArray[Any]],
    threshold: float,
    *,
    exclusive: bool,
) -> Found:
    """Decode heads of YOLOv2 and YOLOv3: x, y, width, height, objectness, and classes, by anchor.

    ``grids`` are (cells, cells, channels); ``anchors`` have for each the widths and heights as
    fractions of the input. With ``exclusive`` a box has one class (YOLOv2), else any number (v3).
    """
    found = []
    for grid, sizes in zip(grids, anchors):
        values = grid.reshape(*grid.shape[:2], len(sizes), -1).astype(np.float64)
        likely = sigmoid(values[..., 4:5]) * (softmax if exclusive else sigmoid)(values[..., 5:])
        y, x, anchor = np.nonzero(likely.max(axis=-1) >= threshold)
        chosen, scores = values[y, x, anchor], likely[y, x, anchor]
        cell = np.stack([x, y], axis=1)
        middle = (cell + sigmoid(chosen[:, :2])) / (grid.shape[1], grid.shape[0])
        half = np.exp(np.clip(chosen[:, 2:4], -20, 20)) * np.asarray(sizes)[anchor] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        found.append((boxes, scores.max(axis=1), scores.argmax(axis=1)))
    return _distinct(*(np.concatenate(parts) for parts in zip(*found)))


def _distinct(boxes: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any]) -> Found:
    kept = suppress(boxes, scores, classes)
    return boxes[kept], scores[kept], classes[kept]


@dataclass(frozen=True)
class Region:
    """A square in a picture: its centre and side in pixels, its angle clockwise in radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @staticmethod
    def whole(picture: Image.Image) -> Region:
        """The smallest square around a picture."""
        width, height = picture.size
        return Region(width / 2, height / 2, max(width, height))

    def _axes(self) -> NDArray[Any]:
        """The vectors along the square's upper and left edges, in pixels, as columns."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]]) * self.side

    def to_picture(self, points: NDArray[Any]) -> NDArray[Any]:
        """Points (…, 2) in pixels of the picture, from fractions of the square."""
        found: NDArray[Any] = (points - 0.5) @ self._axes().T + (self.x, self.y)
        return found

    def cut(self, picture: Image.Image, side: int) -> Image.Image:
        """The square upright, ``side`` pixels wide; black where the picture ends."""
        shrunk = max(1, int(self.side / side))  # so that no pixel is passed over
        if shrunk > 1:
            size = [math.ceil(length / shrunk) for length in picture.size]
            picture = picture.resize((size[0], size[1]), BOX)
        (a, b), (c, d) = self._axes() / shrunk / side
        x, y = self.x / shrunk - (a + b) * side / 2, self.y / shrunk - (c + d) * side / 2
        return picture.transform((side, side), AFFINE, (a, b, x, c, d, y), BILINEAR)


def along(start: NDArray[Any], end: NDArray[Any], upright: float = 0.0) -> float:
    """The angle of the line from ``start`` to ``end``, less ``upright``, from -pi to pi.

    ``upright`` is the angle in an upright picture: 0 from left to right, -pi / 2 upwards.
    """
    angle = math.atan2(end[1] - start[1], end[0] - start[0]) - upright
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))
