"""Find the face in the outputs of MediaPipe's short-range face detection model.

The model (BlazeFace, arXiv 1907.05047) sees 128 x 128 pixels and judges 896 anchors: two at each
cell of a 16 x 16 grid, then six at each cell of an 8 x 8 grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 128
"""Pixels; also the unit of the model's boxes."""

GRIDS = ((16, 2), (8, 6))
"""Cells a side, anchors a cell."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """In square pixels; 0 if the sides are crossed."""
        return max(self.right - self.left, 0.0) * max(self.bottom - self.top, 0.0)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        common = Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        ).area
        return common / (self.area + other.area - common)


@dataclass(frozen=True)
class Face:
    """A found face; ``score`` is a probability."""

    box: Box
    score: float


def best(regressors: NDArray[Any], scores: NDArray[Any], size: tuple[int, int]) -> Face:
    """The likeliest face from outputs (1, 896, 16) and (1, 896, 1).

    ``size`` is the picture's width and height before it was squeezed to 128 x 128. A regressor
    starts with the box's centre relative to the anchor, and its size: x, y, width, height.
    """
    number = int(scores[0, :, 0].argmax())
    x, y, width, height = (regressors[0, number, :4].astype(np.float64) / SIDE).tolist()
    centre_x, centre_y = anchors()[number].tolist()
    left, top = centre_x + x - width / 2, centre_y + y - height / 2
    box = Box(left * size[0], top * size[1], (left + width) * size[0], (top + height) * size[1])
    # The logistic function, in a form that cannot overflow.
    return Face(box, (1 + math.tanh(float(scores[0, number, 0]) / 2)) / 2)


def anchors() -> NDArray[np.float64]:
    """Centres of the anchors as fractions of the picture, (896, 2): x, y."""
    centres = []
    for cells, count in GRIDS:
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1).repeat(count, axis=0))
    return np.concatenate(centres)
