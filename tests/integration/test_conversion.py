"""Converted models agree with TensorFlow.js on the original files, and give the right answers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from tests.support import tfjs
from tests.support.graphs import FLOAT, Attributes, GraphModel, convolving, numbers, sliding, texts
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.package import models_wheel
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import pipelines
from wheelhouse.specimens.conversion import graph, simplify, translate, write
from wheelhouse.specimens.pipelines import Converted

Picture = Image.Image
Answers = dict[str, NDArray[np.float32]]

MODELS = sorted(pipelines.pipelines().converted)
FACE = (170, 60, 280, 190)
"""The portrait's face with some hair: left, top, right and bottom in pixels."""

TOLERANCE = 1e-4
"""The largest difference, relative to the largest absolute value."""


@pytest.fixture(scope="module")
def fetcher() -> Fetcher:
    return Fetcher(Store.default())


@pytest.fixture(scope="module")
def pictures(fetcher: Fetcher) -> dict[str, Picture]:
    path = fetcher.file(pins.shared("scikit-image"))
    with zipfile.ZipFile(path) as wheel:
        return {
            name: Image.open(io.BytesIO(wheel.read(f"skimage/data/{name}.png"))).convert("RGB")
            for name in ("astronaut", "coffee", "chelsea")
        }


@pytest.fixture(scope="module")
def people(fetcher: Fetcher) -> list[Picture]:
    """Small faces of other people, from Labeled Faces in the Wild."""
    with zipfile.ZipFile(fetcher.file(pins.shared("scikit-image"))) as wheel:
        faces = np.load(io.BytesIO(wheel.read("skimage/data/lfw_subset.npy")))[:100:10]
    return [Image.fromarray((255 * each).clip(0, 255).astype(np.uint8)) for each in faces]


@pytest.fixture(scope="module")
def face(pictures: dict[str, Picture]) -> Picture:
    return pictures["astronaut"].crop(FACE)


def run(content: bytes, picture: NDArray[Any]) -> Answers:
    interpreter = Interpreter(model_content=content)
    runner = interpreter.get_signature_runner(write.SIGNATURE)
    found: Answers = runner(**{write.INPUT: picture})
    return found


class Models:
    """Converted models, each run on a picture."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher

    def file(self, name: str, precision: str = "fp32") -> bytes:
        folder = get_or_make(models_wheel.conversion(name), self.fetcher)
        suffix = "-int8" if precision == "int8" else ""
        return (folder / f"{name}{suffix}.tflite").read_bytes()

    def input(self, name: str, picture: Picture) -> NDArray[np.float32]:
        known = pipelines.pipelines().converted[name]
        return pipelines.prepare(picture, known.size, known.range)

    def __call__(self, name: str, precision: str, picture: Picture) -> Answers:
        return run(self.file(name, precision), self.input(name, picture))


@pytest.fixture(scope="module")
def models(fetcher: Fetcher) -> Models:
    return Models(fetcher)


def prepared(known: Converted, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The original's input, from the converted model's."""
    if known.mean:
        picture = (picture[..., ::-1] - known.mean) / known.deviation
    if known.channels_first:
        picture = picture.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(picture, np.float32)


def assert_near(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


# Against TensorFlow.js


@pytest.mark.tensorflow_js
@pytest.mark.parametrize("name", MODELS)
def test_a_converted_model_agrees_with_tensorflow_js(
    models: Models,
    fetcher: Fetcher,
    face: Picture,
    pictures: dict[str, Picture],
    name: str,
    tmp_path: Path,
) -> None:
    known = pipelines.pipelines().converted[name]
    first = face if known.calibration == "faces" else pictures["astronaut"]
    inputs = [models.input(name, picture) for picture in (first, pictures["coffee"])]
    original = fetcher.tree(pins.shared("human-models")) / "models" / known.original
    expected = tfjs.run(
        fetcher,
        tmp_path / "run",
        original.with_suffix(".json"),
        original.with_suffix(".bin"),
        [prepared(known, values) for values in inputs],
        [output.node for output in known.outputs.values()],
    )
    content = models.file(name)
    for values, answers in zip(inputs, expected, strict=True):
        found = run(content, values)
        assert found.keys() == known.outputs.keys()
        for output, answer in zip(known.outputs, answers, strict=True):
            assert_near(found[output], answer)


def small_graphs() -> Iterator[Any]:
    """Graphs with what the whole models have in few variants: sizes, strides, paddings, axes."""
    random = np.random.RandomState(1)

    def values(*shape: int) -> Any:
        return random.normal(size=shape).astype(np.float32)

    for padding in ("SAME", "VALID"):
        for stride in (1, 2):
            window = sliding(padding, stride)
            moved = convolving(padding, stride)
            name = f"{padding}-{stride}"
            for op, shape in (("Conv2D", (3, 5, 3, 4)), ("DepthwiseConv2dNative", (5, 3, 3, 1))):
                model = GraphModel(-1, 9, 12, 3)
                last = model.add(op, "x", model.constant(values(*shape)), **moved)
                yield pytest.param(model, last, id=f"{op}-{name}")
            model = GraphModel(-1, 9, 12, 3)
            size = numbers(1, 2, 3, 1)
            last = model.add("Relu", model.add("MaxPool", "x", ksize=size, **window))
            yield pytest.param(model, last, id=f"MaxPool-{name}")
    model = GraphModel(-1, 9, 12, 3)
    bias: Attributes = {"num_args": {"i": "1"}, "fused_ops": texts("BiasAdd", "Relu6")}
    weights = [model.constant(3 * values(3, 3, 3, 4)), model.constant(values(4))]
    last = model.add("_FusedConv2D", "x", *weights, **convolving(**bias))
    for op in ("Mul", "Add"):
        last = model.add(op, last, model.constant(values(4)))
    yield pytest.param(model, last, id="normalised after RELU6")
    model = GraphModel(-1, 9, 12, 3)
    last = model.add(
        "ResizeBilinear",
        "x",
        model.constant(np.array([20, 7], np.int32)),
        **FLOAT,
        align_corners={"b": False},
        half_pixel_centers={"b": False},
    )
    last = model.add(
        "ConcatV2",
        last,
        last,
        model.constant(np.array(-1, np.int32)),
        **FLOAT,
        Tidx={"type": "DT_INT32"},
        N={"i": "2"},
    )
    yield pytest.param(model, last, id="resized and joined")
    model = GraphModel(-1, 5, 6, 8)
    axes = model.constant(np.array([-3, 2], np.int32))
    last = model.add("Mean", "x", axes, **FLOAT, Tidx={"type": "DT_INT32"}, keep_dims={"b": False})
    last = model.add(
        "AddV2", model.add("Mul", last, model.constant(values(8))), model.constant(values(8))
    )
    last = model.add(
        "_FusedMatMul",
        last,
        model.constant(values(8, 4)),
        **FLOAT,
        transpose_a={"b": False},
        transpose_b={"b": False},
    )
    yield pytest.param(model, model.add("Softmax", last), id="mean, factors, dense, softmax")
    model = GraphModel(-1, 4, 4, 3)
    lifted = model.add("Add", "x", model.constant(np.float32(3)))
    sixth = model.add("Mul", model.constant(np.array(1 / 6, np.float32), half=True), "x")
    last = model.add("Mul", model.add("Relu6", lifted), sixth)
    yield pytest.param(model, model.add("Sigmoid", last), id="hard swish of FP16, sigmoid")
    model = GraphModel(-1, 4)
    keep: Attributes = {**FLOAT, "Tidx": {"type": "DT_INT32"}, "keep_dims": {"b": True}}
    total = model.add(
        "Sum", model.add("Square", "x"), model.constant(np.array([1], np.int32)), **keep
    )
    bounded = model.add("Maximum", total, model.constant(np.float32(1e-12)))
    last = model.add("Mul", "x", model.add("Rsqrt", bounded))
    yield pytest.param(model, last, id="normalised to length 1")


@pytest.mark.parametrize(("model", "last"), list(small_graphs()))
def test_each_operator_agrees_with_tensorflow_js(
    fetcher: Fetcher, tmp_path: Path, model: GraphModel, last: str
) -> None:
    content, weights = model.files()
    (tmp_path / "model.json").write_bytes(content)
    (tmp_path / "model.bin").write_bytes(weights)
    found = translate.translate(graph.read("small", content, weights), {"y": last})
    simplify.simplify(found)
    shape = found.shapes[found.inputs[0]]
    random = np.random.RandomState(2)
    inputs = [4 * random.normal(size=shape).astype(np.float32) for _ in range(2)]
    files = (tmp_path / "model.json", tmp_path / "model.bin")
    expected = tfjs.run(fetcher, tmp_path / "run", *files, inputs, [last])
    for values, (answer,) in zip(inputs, expected, strict=True):
        assert_near(run(write.float_model(found), values)["y"], answer)


# The right answers

PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "int8"])


@PRECISIONS
def test_the_portrait_smiles(models: Models, face: Picture, precision: str) -> None:
    (found,) = models("emotion", precision, face)["expression"]
    labels = pipelines.pipelines().converted["emotion"].labels
    assert labels[found.argmax()] == "happy"
    assert found.max() > 0.5


@PRECISIONS
def test_the_portrait_is_of_a_woman_of_41(models: Models, face: Picture, precision: str) -> None:
    """Eileen Collins was born in 1956, and photographed in 1998."""
    found = models("faceres", precision, face)
    assert found["gender"].item() < 0.5
    assert abs((found["age"] * np.arange(100)).sum() - 41) <= 15


@PRECISIONS
def test_the_portrait_counts_as_alive(models: Models, face: Picture, precision: str) -> None:
    assert models("liveness", precision, face)["live"][0, 0] > 0.5
    assert models("antispoof", precision, face)["real"].item() > 0.5


@PRECISIONS
def test_pictures_of_one_face_are_nearer_than_faces_of_others(
    models: Models,
    face: Picture,
    pictures: dict[str, Picture],
    people: list[Picture],
    precision: str,
) -> None:
    def features(picture: Picture) -> NDArray[np.float32]:
        (found,) = models("faceres", precision, picture)["features"]
        scaled: NDArray[np.float32] = found / np.linalg.norm(found)
        return scaled

    darker = ImageEnhance.Brightness(ImageOps.mirror(face)).enhance(0.7)
    wider = pictures["astronaut"].crop((160, 50, 290, 200))
    same = [features(face) @ features(other) for other in (darker, wider)]
    others = [features(face) @ features(other) for other in people]
    assert min(same) > 0.85
    assert max(others) < 0.6


Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as fractions of the picture's width and height."""

Objects = list[tuple[float, str, Box]]
"""Score, label and box of each object that a model found, the likeliest first."""


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""

    def area(box: Box) -> float:
        return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)

    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = area((low[0], low[1], high[0], high[1]))
    return common / (area(one) + area(other) - common)


def nanodet_objects(found: Answers) -> Objects:
    """Decode each cell on its own: the expected distances from its middle."""
    labels = pipelines.pipelines().converted["nanodet"].labels
    objects: Objects = []
    for (grid,) in found.values():
        for (y, x), row in ((place, grid[place]) for place in np.ndindex(grid.shape[:2])):
            score = 1 / (1 + np.exp(-row[:80].max()))
            weights = np.exp(row[80:].reshape(4, 11))
            left, top, right, bottom = weights @ np.arange(11) / weights.sum(axis=1)
            box = (x + 0.5 - left, y + 0.5 - top, x + 0.5 + right, y + 0.5 + bottom)
            scaled = tuple(float(value) / len(grid) for value in box)
            objects.append((float(score), labels[row[:80].argmax()], cast(Box, scaled)))
    return sorted(objects, reverse=True)


def centernet_objects(found: Answers) -> Objects:
    """Decode each cell on its own: the distances from its corner."""
    labels = pipelines.pipelines().converted["centernet"].labels
    scores, sizes = found["scores"][0], found["sizes"][0]
    objects: Objects = []
    for y, x in np.ndindex(scores.shape[:2]):
        left, top, right, bottom = (sizes[y, x] / 512).tolist()
        box = (x / 128 - left, y / 128 - top, x / 128 + right, y / 128 + bottom)
        best = scores[y, x].argmax()
        objects.append((float(scores[y, x, best]), labels[best], box))
    return sorted(objects, reverse=True)


# Marked by eye: the woman without the helmet, and the cup without its saucer.
PERSON: Box = (0.04, 0.03, 0.71, 1.0)
CUP: Box = (0.29, 0.05, 0.68, 0.77)


@pytest.mark.parametrize(
    ("name", "precision"), [("nanodet", "fp32"), ("nanodet", "int8"), ("centernet", "fp32")]
)
@pytest.mark.parametrize(
    ("picture", "label", "box"), [("astronaut", "person", PERSON), ("coffee", "cup", CUP)]
)
def test_a_person_and_a_cup_are_found(
    models: Models,
    pictures: dict[str, Picture],
    name: str,
    precision: str,
    picture: str,
    label: str,
    box: Box,
) -> None:
    found = models(name, precision, pictures[picture])
    decode = nanodet_objects if name == "nanodet" else centernet_objects
    score, best, place = decode(found)[0]
    assert best == label
    assert score > 0.4
    assert overlap(place, box) >= 0.5


@PRECISIONS
@pytest.mark.parametrize("name", ["antispoof", "liveness", "emotion"])
def test_both_precisions_say_nearly_the_same(
    models: Models, face: Picture, name: str, precision: str
) -> None:
    exact = models(name, "fp32", face)
    for output, values in models(name, precision, face).items():
        assert np.abs(values - exact[output]).max() < 0.05
