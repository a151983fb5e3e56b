from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wheelhouse.specimens import faces
from wheelhouse.specimens.faces import BoundingBox


def outputs_with_face(
    anchor: int, box: tuple[int, int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    regressors = np.zeros((1, 896, 16), np.float32)
    scores = np.full((1, 896, 1), -50, np.float32)
    regressors[0, anchor, :4] = box
    scores[0, anchor, 0] = 2
    return regressors, scores


@pytest.mark.parametrize(
    ("anchor", "centre"),
    [
        (0, (4, 4)),
        (1, (4, 4)),
        (2, (12, 4)),
        ((3 * 16 + 10) * 2, (84, 28)),
        (512, (8, 8)),
        (512 + (5 * 8 + 2) * 6 + 5, (40, 88)),
        (895, (120, 120)),
    ],
)
def test_a_face_lies_at_its_anchor_plus_its_offset(anchor: int, centre: tuple[int, int]) -> None:
    regressors, scores = outputs_with_face(anchor, (3, -2, 20, 30))
    face = faces.best(regressors, scores, (128, 128))
    x, y = centre[0] + 3, centre[1] - 2
    found = (face.box.left, face.box.top, face.box.right, face.box.bottom)
    assert found == pytest.approx((x - 10, y - 15, x + 10, y + 15))


def test_a_face_is_given_in_the_pixels_of_the_picture() -> None:
    regressors, scores = outputs_with_face(0, (60, 60, 64, 32))
    face = faces.best(regressors, scores, (640, 256))
    assert face.box == BoundingBox(left=160, top=96, right=480, bottom=160)


def test_the_score_is_a_probability_however_large_the_output() -> None:
    regressors, scores = outputs_with_face(5, (0, 0, 10, 10))
    assert faces.best(regressors, scores, (1, 1)).score == pytest.approx(0.8808, abs=1e-4)
    scores[:] = -1000
    assert faces.best(regressors, scores, (1, 1)).score == 0


def test_overlap() -> None:
    box = BoundingBox(0, 0, 10, 10)
    assert box.overlap(box) == 1
    assert box.overlap(BoundingBox(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert box.overlap(BoundingBox(20, 20, 30, 30)) == 0
    assert box.overlap(BoundingBox(20, 0, 30, 10)) == 0
