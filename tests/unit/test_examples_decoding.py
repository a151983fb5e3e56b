"""The examples' decoding, against independent implementations, one cell and one box at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tflite_examples import decoding, hands
from tflite_examples.decoding import Region

from wheelhouse.specimens import faces


def overlap(one: Any, other: Any) -> float:
    wide = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    high = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(wide * high / (sum(areas) - wide * high))


def boxes(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    start = random.uniform(0, 0.6, (count, 2))
    return np.concatenate([start, start + random.uniform(0.05, 0.4, (count, 2))], axis=1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("by_class", [True, False])
def test_suppression_keeps_what_comparing_every_pair_keeps(seed: int, by_class: bool) -> None:
    random = np.random.default_rng(seed)
    places, scores = boxes(random, 60), random.uniform(size=60)
    classes = random.integers(3, size=60)
    kept: list[int] = []
    for number in sorted(range(60), key=lambda each: -scores[each]):
        rivals = [each for each in kept if not by_class or classes[each] == classes[number]]
        if all(overlap(places[number], places[each]) <= 0.5 for each in rivals):
            kept.append(number)
    assert 3 < len(kept) < 60
    assert decoding.suppress(places, scores, classes if by_class else None) == kept


def test_overlaps_of_boxes_apart_empty_and_equal() -> None:
    box = np.array([0.0, 0, 2, 2])
    others = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6], [1, 1, 1, 1], [2, 2, 0, 0]])
    assert decoding.overlaps(box, others).tolist() == pytest.approx([1, 1 / 7, 0, 0, 0])


def test_the_logistic_function_overflows_nowhere() -> None:
    with np.errstate(all="raise"):
        assert decoding.sigmoid([-1e4, 0, 1e4]).tolist() == [0, 0.5, 1]


def test_anchors_of_faces_are_those_of_verification() -> None:
    assert decoding.anchors(128, (8, 16, 16, 16)) == pytest.approx(faces.anchors())


@pytest.mark.parametrize(
    ("side", "strides", "count"),
    [(192, (8, 16, 16, 16), 2016), (224, (8, 16, 32, 32, 32), 2254)],
)
def test_anchors_are_laid_as_mediapipe_lays_them(
    side: int, strides: tuple[int, ...], count: int
) -> None:
    """SsdAnchorsCalculator: layers of one stride share the cells, each gives two anchors."""
    expected = []
    layer = 0
    while layer < len(strides):
        last = layer
        while last < len(strides) and strides[last] == strides[layer]:
            last += 1
        cells = math.ceil(side / strides[layer])
        for y in range(cells):
            for x in range(cells):
                for _ in range(2 * (last - layer)):
                    expected.append(((x + 0.5) / cells, (y + 0.5) / cells))
        layer = last
    found = decoding.anchors(side, strides)
    assert len(found) == count
    assert found == pytest.approx(np.array(expected))


def test_a_detector_finds_the_box_that_verification_finds() -> None:
    random = np.random.default_rng(1)
    values = random.normal(0, 20, (1, 896, 16)).astype(np.float32)
    values[..., 2:4] = np.abs(values[..., 2:4]) + 5
    scores = random.normal(-3, 2, (1, 896, 1)).astype(np.float32)
    centres = decoding.anchors(128, (8, 16, 16, 16))
    places, points, likely = decoding.ssd(values, scores, centres, 128, 0.5)
    best = faces.best(values, scores, (1, 1))
    corners = (best.box.left, best.box.top, best.box.right, best.box.bottom)
    assert places[0] == pytest.approx(corners)
    assert likely[0] == pytest.approx(best.score)
    number = int(scores.argmax())
    eye = values[0, number, 4:6] / 128 + centres[number]
    assert points[0, 0] == pytest.approx(eye)
    assert points.shape[1:] == (6, 2)
    assert list(likely) == sorted(likely, reverse=True)


def test_a_detector_that_finds_nothing() -> None:
    values, scores = np.zeros((1, 896, 16)), np.full((1, 896, 1), -9.0)
    centres = decoding.anchors(128, (8, 16, 16, 16))
    places, points, likely = decoding.ssd(values, scores, centres, 128, 0.5)
    assert (places.shape, points.shape, likely.shape) == ((0, 4), (0, 6, 2), (0,))


def kept_by_class(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    kept: list[tuple[Any, ...]] = []
    for score, kind, box in sorted(found, reverse=True):
        if all(kind != other or overlap(box, place) <= 0.5 for _, other, place in kept):
            kept.append((score, kind, box))
    return kept


def assert_found(found: Any, expected: list[tuple[Any, ...]]) -> None:
    places, scores, classes = found
    assert len(expected) > 2
    assert classes.tolist() == [kind for _, kind, _ in expected]
    assert scores.tolist() == pytest.approx([score for score, _, _ in expected])
    assert places == pytest.approx(np.array([box for _, _, box in expected]))


def test_nanodet_cell_by_cell() -> None:
    random = np.random.default_rng(2)
    grids = [random.normal(-1.5, 1, (cells, cells, 3 + 44)) for cells in (6, 3)]
    expected: list[tuple[Any, ...]] = []
    for grid in grids:
        for y, x in np.ndindex(*grid.shape[:2]):
            scores = [1 / (1 + math.exp(-value)) for value in grid[y, x, :3]]
            reach = []
            for side in range(4):
                weights = [math.exp(value) for value in grid[y, x, 3 + 11 * side : 14 + 11 * side]]
                reach.append(sum(n * w for n, w in enumerate(weights)) / sum(weights))
            signs = zip((x, y, x, y), (-1, -1, 1, 1), reach, strict=True)
            box = tuple((at + 0.5 + sign * step) / len(grid) for at, sign, step in signs)
            if max(scores) >= 0.4:
                expected.append((max(scores), scores.index(max(scores)), box))
    assert_found(decoding.nanodet(grids, 3, 0.4), kept_by_class(expected))


def test_centernet_cell_by_cell() -> None:
    random = np.random.default_rng(3)
    scores, sizes = random.uniform(0, 1, (8, 8, 2)), random.uniform(2, 20, (8, 8, 4))
    expected: list[tuple[Any, ...]] = []
    for y, x, kind in np.ndindex(8, 8, 2):
        around = scores[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, kind]
        if scores[y, x, kind] == around.max() >= 0.6:
            left, top, right, bottom = sizes[y, x] / 32
            box = (x / 8 - left, y / 8 - top, x / 8 + right, y / 8 + bottom)
            expected.append((scores[y, x, kind], kind, box))
    assert_found(decoding.centernet(scores, sizes, 32, 0.6), kept_by_class(expected))


@pytest.mark.parametrize("exclusive", [True, False], ids=["YOLOv2", "YOLOv3"])
def test_yolo_cell_by_cell(exclusive: bool) -> None:
    random = np.random.default_rng(4)
    cells = (5,) if exclusive else (4, 8)
    grids = [random.normal(0, 1.5, (side, side + 1, 2 * 8)) for side in cells]
    anchors = [np.array([[0.2, 0.3], [0.5, 0.4]]) / (number + 1) for number in range(len(cells))]
    expected: list[tuple[Any, ...]] = []
    for grid, sizes in zip(grids, anchors, strict=True):
        high, wide = grid.shape[:2]
        for y, x, anchor in np.ndindex(high, wide, 2):
            dx, dy, dw, dh, there, *kinds = grid[y, x, 8 * anchor : 8 * anchor + 8]
            powers = [math.exp(value) for value in kinds]
            likely = [
                (power / sum(powers) if exclusive else power / (1 + power)) / (1 + math.exp(-there))
                for power in powers
            ]
            middle = (x + 1 / (1 + math.exp(-dx))) / wide, (y + 1 / (1 + math.exp(-dy))) / high
            width, height = sizes[anchor] * (math.exp(dw), math.exp(dh))
            box = (
                *(middle[0] - width / 2, middle[1] - height / 2),
                *(middle[0] + width / 2, middle[1] + height / 2),
            )
            if max(likely) >= 0.5:
                expected.append((max(likely), likely.index(max(likely)), box))
    assert_found(decoding.yolo(grids, anchors, 0.5, exclusive=exclusive), kept_by_class(expected))


@pytest.mark.parametrize("angle", [0, 0.3, -2.0, math.pi / 2])
@pytest.mark.parametrize("size", [(200, 120), (900, 1600)])
def test_what_a_region_cuts_lies_where_it_says(angle: float, size: tuple[int, int]) -> None:
    width, height = size
    region = Region(width * 0.5, height * 0.4, 0.6 * min(size), angle)
    (x, y), radius = region.to_picture(np.array([0.7, 0.25])), 0.03 * region.side
    picture = Image.new("RGB", size)
    spot = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(picture).ellipse(spot, fill=(255, 255, 255))
    cut = np.asarray(region.cut(picture, 100).convert("L"), float)
    row, column = np.indices(cut.shape)
    middle = (cut * column).sum() / cut.sum() + 0.5, (cut * row).sum() / cut.sum() + 0.5
    assert middle == pytest.approx((70, 25), abs=1)


def test_a_region_outside_the_picture_is_black() -> None:
    picture = Image.new("RGB", (50, 20), (255, 255, 255))
    cut = np.asarray(Region.whole(picture).cut(picture, 50))
    assert cut[:14].max() == 0
    assert cut[36:].max() == 0
    assert cut[16:34].min() == 255


@pytest.mark.parametrize(
    ("end", "upright", "degrees"),
    [((1, 0), 0, 0), ((0, 1), 0, 90), ((0, -1), -90, 0), ((1, 0), -90, 90), ((-1, 0), 90, 90)],
)
def test_angles(end: tuple[float, float], upright: float, degrees: float) -> None:
    found = decoding.along(np.zeros(2), np.array(end), math.radians(upright))
    assert math.degrees(found) == pytest.approx(degrees)


class Palms:
    """A detector that finds one palm, 40 pixels wide, whose middle finger points somewhere."""

    size = (192, 192, 3)
    number = 1000

    def __init__(self, towards: tuple[float, float]) -> None:
        self.values = np.zeros((1, 2016, 18))
        self.values[0, self.number, 2:4] = 40
        self.values[0, self.number, 4:6] = -20 * np.array(towards)
        self.values[0, self.number, 8:10] = 20 * np.array(towards)

    def prepare(self, _picture: Image.Image) -> None:
        return None

    def __call__(self, _input: None) -> list[NDArray[Any]]:
        scores = np.full((1, 2016, 1), -9.0)
        scores[0, self.number] = 9
        return [self.values, scores]


@pytest.mark.parametrize(
    ("towards", "degrees"), [((0, -1), 0), ((1, 0), 90), ((0, 1), -180), ((-1, 0), -90)]
)
def test_the_square_around_a_hand_is_upright_and_reaches_over_the_fingers(
    towards: tuple[float, float], degrees: float
) -> None:
    """MediaPipe's hand_landmark: 2.6 times the palm, half a palm towards the fingers."""
    pipeline = object.__new__(hands.Pipeline)
    vars(pipeline).update(_palms=Palms(towards), _anchors=decoding.anchors(192, (8, 16, 16, 16)))
    (found,) = pipeline._regions(Image.new("RGB", (384, 384)))
    palm = decoding.anchors(192, (8, 16, 16, 16))[Palms.number] * 384
    assert math.degrees(found.angle) == pytest.approx(degrees)
    assert found.side == pytest.approx(2.6 * 80)
    assert (found.x, found.y) == pytest.approx(tuple(palm + 40 * np.array(towards)))
