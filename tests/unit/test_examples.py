"""The examples' decoding, against independent implementations, one cell and one box at a time."""

from __future__ import annotations

import ast
import math
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tflite_examples import cli, decoding, hands, pictures, recognise, sound
from tflite_examples.decoding import Region
from tflite_examples.errors import ExampleError
from tflite_examples.model import Model, Options

from tests.support import REPO
from wheelhouse.specimens import faces

PACKAGE = REPO / "apps" / "tflite_examples"
SOURCES = sorted(PACKAGE.glob("*.py"))
PIPELINES = [f"{module}.py" for module, _ in cli.PIPELINES.values()]


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


# Pictures


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_exif_is_made_upright(orientation: int, tmp_path: Path) -> None:
    upright = Image.new("RGB", (40, 20))
    upright.paste((255, 0, 0), (0, 0, 10, 10))
    upright.paste((0, 0, 255), (30, 10, 40, 20))
    flip = Image.Transpose
    stored = {
        2: flip.FLIP_LEFT_RIGHT,
        3: flip.ROTATE_180,
        4: flip.FLIP_TOP_BOTTOM,
        5: flip.TRANSPOSE,
        6: flip.ROTATE_90,
        7: flip.TRANSVERSE,
        8: flip.ROTATE_270,
    }
    camera = upright.transpose(stored[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    camera.save(tmp_path / "a.png", exif=exif)
    found = pictures.load(str(tmp_path / "a.png"))
    assert np.array_equal(np.asarray(found), np.asarray(upright))


def test_the_transparent_is_white_and_sixteen_bits_are_seen(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).save(tmp_path / "clear.png")
    assert pictures.load(str(tmp_path / "clear.png")).getpixel((0, 0)) == (255, 255, 255)
    deep = np.array([[0, 20000], [40000, 60000]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found = np.asarray(pictures.load(str(tmp_path / "deep.png")))[..., 0]
    assert found.tolist() == [[0, 85], [170, 255]]


def test_pixels_are_scaled_to_the_range_and_grey_if_wanted() -> None:
    picture = Image.new("RGB", (10, 4), (255, 0, 0))
    assert pictures.pixels(picture, (2, 3, 3), (-1, 1))[0, 1, 2].tolist() == [1, -1, -1]
    grey = pictures.pixels(picture, (2, 3, 1), (0, 255))
    assert grey.shape == (1, 2, 3, 1)
    assert grey[0, 0, 0, 0] == pytest.approx(0.2989 * 255)


# Sound


def heard(samples: NDArray[Any]) -> list[list[float]]:
    """The micro frontend step by step, one channel and one bin at a time, on whole numbers."""
    mel = [1127 * math.log(1 + 31.25 * number / 700) for number in range(257)]
    low, high = (1127 * math.log(1 + hertz / 700) for hertz in (125, 7500))
    noise = [0.0] * 40
    rows = []
    for start in range(0, len(samples) - 479, 160):
        window = np.hanning(961)[1::2]  # the middles of 480 steps
        spectrum = np.fft.fft(np.append(samples[start : start + 480] * window, np.zeros(32)))
        row = []
        for channel in range(40):
            left, peak, right = (low + (high - low) * (channel + n) / 41 for n in range(3))
            energy = 0.0
            for place, value in zip(mel, spectrum, strict=False):
                share = min((place - left) / (peak - left), (right - place) / (right - peak))
                energy += max(share, 0) * abs(value / 512) ** 2
            signal = int(math.sqrt(4096 * energy))
            rate = 0.06 if channel % 2 else 0.025
            noise[channel] = (1 - rate) * noise[channel] + rate * signal
            clean = int(max(signal - noise[channel], 0.05 * signal))
            gain = 2**21 * (8 * noise[channel] + 80) ** -0.95
            ratio = clean * gain / 2**6 / 2**12
            loudness = int(ratio**2 * 16) if ratio < 2 else int(ratio * 64) - 64
            row.append(round(64 * math.log(8 * loudness)) * 0.0390625 if loudness else 0)
        rows.append(row)
    return rows


def test_sound_becomes_the_numbers_that_each_channel_gives_alone() -> None:
    random = np.random.default_rng(5)
    times = np.arange(4000) / 16000
    tone = 6000 * np.sin(2 * np.pi * 700 * times) * (times > 0.1)
    samples = np.round(tone + random.normal(0, 60, 4000))
    features = sound.Features()
    parts = [row for part in np.array_split(samples, 7) for row in features(part)]
    expected = np.array(heard(samples))
    assert expected.max() > 10
    assert np.array(parts).shape == expected.shape
    assert np.abs(np.array(parts) - expected).mean() < 0.01


@pytest.mark.parametrize(
    ("rate", "channels"), [(16000, 1), (16000, 2), (48000, 1), (44100, 2), (8000, 1)]
)
def test_a_tone_keeps_its_pitch_and_length(rate: int, channels: int, tmp_path: Path) -> None:
    tone = 9000 * np.sin(2 * np.pi * 1000 * np.arange(rate // 2) / rate)
    with wave.open(str(tmp_path / "a.wav"), "wb") as stream:
        stream.setparams((channels, 2, rate, 0, "NONE", ""))
        stream.writeframes(np.repeat(tone.astype("<i2"), channels).tobytes())
    found = sound.load(str(tmp_path / "a.wav"))
    assert len(found) == pytest.approx(8000, abs=2)
    assert np.abs(np.fft.rfft(found)).argmax() * 16000 / len(found) == pytest.approx(1000, abs=3)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all, but a text"])
def test_a_file_that_is_no_sound_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ExampleError, match=r"a\.wav"):
        sound.load(str(tmp_path / "a.wav"))


# A runtime


class Stubborn:
    """A runtime whose delegate prepares a model and then cannot run it, as XNNPACK some."""

    class OpResolverType:
        BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3

    class Interpreter:
        def __init__(
            self, model_path: str, num_threads: int, experimental_op_resolver_type: int = 0
        ) -> None:
            self.runs = experimental_op_resolver_type == 3 and model_path != "never.tflite"
            self.values: Any = None

        def allocate_tensors(self) -> None:
            pass

        def get_input_details(self) -> list[dict[str, Any]]:
            shape = np.array([1, 4])
            return [{"index": 0, "shape": shape, "dtype": np.int8, "quantization": (0.5, 3)}]

        get_output_details = get_input_details

        def set_tensor(self, _index: int, values: Any) -> None:
            self.values = values

        def invoke(self) -> None:
            if not self.runs:
                raise RuntimeError("failed to invoke")

        def get_tensor(self, _index: int) -> Any:
            return self.values


def test_what_a_delegate_cannot_run_runs_without_and_numbers_are_scaled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", Stubborn)
    loaded = Model("own.tflite", Options())
    for _ in range(2):
        assert loaded(np.array([[1.0, -2, 0.26, 999]]))[0].tolist() == [[1, -2, 0.5, 62]]
    told = capsys.readouterr().err
    assert told == "note: own.tflite runs without a delegate: failed to invoke\n"
    with pytest.raises(ExampleError, match=r"Cannot run never\.tflite: failed to invoke"):
        Model("never.tflite", Options())(np.zeros((1, 4)))


# The file of features


def test_features_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "faces.json"
    recognise.save(str(path), {"Ada": [[1.0, 0.0]]})
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert recognise.load(str(path), 2) == {"Ada": [[1.0, 0.0]]}
    assert [each.name for each in path.parent.iterdir()] == ["faces.json"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Ada": 3}', '{"Ada": [[1], [1, 2]]}', "\xff"])
def test_a_broken_file_of_features_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "faces.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ExampleError, match=r"faces\.json"):
        recognise.load(str(tmp_path / "faces.json"), 2)


# The files themselves


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_it_is_for_the_oldest_python_and_needs_little(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
    nodes = list(ast.walk(tree))
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    imported = {name.partition(".")[0] for name in names}
    assert imported - sys.stdlib_module_names <= {"numpy", "PIL", "tflite_examples"}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_short_enough_to_be_read(name: str) -> None:
    assert len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) < 120
