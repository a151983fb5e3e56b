"""Decode the outputs of MediaPipe's short-range face detection model.

The model (BlazeFace, arXiv 1907.05047) takes 128 x 128 pixels and scores 896 anchors: two in each
cell of a 16 x 16 grid, then six in each cell of an 8 x 8 grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 128
"""The input's height and width in pixels; the model's boxes are in pixels of the input too."""

GRIDS = ((16, 2), (8, 6))
"""For each grid the cells along a side, and the anchors in a cell."""


@dataclass(frozen=True)
class BoundingBox:
    """A bounding box in pixels of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """In square pixels; 0 if ``right`` is left of ``left``, or ``bottom`` above ``top``."""
        return max(self.right - self.left, 0.0) * max(self.bottom - self.top, 0.0)

    def overlap(self, other: BoundingBox) -> float:
        """Intersection over union, 0 to 1."""
        common = BoundingBox(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        ).area
        return common / (self.area + other.area - common)


@dataclass(frozen=True)
class Face:
    """A detected face; ``score`` is a probability."""

    box: BoundingBox
    score: float


def best(regressors: NDArray[Any], scores: NDArray[Any], size: tuple[int, int]) -> Face:
    """The likeliest face in the outputs, ``regressors`` (1, 896, 16) and ``scores`` (1, 896, 1).

    ``size`` is the picture's width and height in pixels before it was scaled to 128 x 128. A
    regressor begins with x, y, width and height of the box; x and y are its centre relative to the
    anchor's.
    """
    number = int(scores[0, :, 0].argmax())
    x, y, width, height = (regressors[0, number, :4].astype(np.float64) / SIDE).tolist()
    centre_x, centre_y = anchors()[number].tolist()
    left, top = centre_x + x - width / 2, centre_y + y - height / 2
    box = BoundingBox(
        left * size[0], top * size[1], (left + width) * size[0], (top + height) * size[1]
    )
    # The logistic function, in a form that cannot overflow.
    return Face(box, (1 + math.tanh(float(scores[0, number, 0]) / 2)) / 2)


def anchors() -> NDArray[np.float64]:
    """The anchors' centres, x and y as fractions of the picture: an array (896, 2)."""
    centres = []
    for cells, count in GRIDS:
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1).repeat(count, axis=0))
    return np.concatenate(centres)
