"""The models that verification runs: generated ones, published ones, and files to be refused."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wheelhouse.common import toml
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation
from wheelhouse.specimens.networks import Kind, mobilenet, network_input, pictures

TABLE = ROOT / "wheelhouse" / "specimens" / "models.toml"

SIGNATURE = "arithmetic"
"""The key of the signature of the model ``arithmetic``."""


@dataclass(frozen=True)
class Model:
    """A model with inputs to run it on; ``content`` is the file.

    ``arithmetic`` is float32, int8, uint8 or dynamic (see :data:`networks.Kind`). ``inputs`` are by
    the input tensors' names or positions, or by the signature's names if ``signature`` is its key;
    an array of another shape than the tensor's is for ``resize_tensor_input``. ``outputs`` are the
    signature's output names in the order of the model's outputs. ``since`` is the oldest TFLite
    release of this checkout that runs the model.
    """

    name: str
    arithmetic: str
    content: bytes
    inputs: Mapping[str, NDArray[Any]]
    signature: str | None = None
    outputs: tuple[str, ...] = ()
    since: str = "2.14"


class ArchiveMember(toml.Table, frozen=True):
    """A file inside a wheel: ``archive`` is the wheel's component, ``member`` the file's name."""

    archive: str
    member: str
    sha256: str


class Portrait(ArchiveMember, frozen=True):
    """A picture with one face; ``face`` is its left, top, right and bottom in pixels."""

    face: tuple[float, float, float, float]


class RealModel(ArchiveMember, frozen=True):
    """A published model whose input is a square picture.

    ``side`` is its height and width in pixels, ``range`` the values of black and white, ``since``
    the oldest TFLite release of this checkout that runs the model.
    """

    side: int
    range: tuple[float, float]
    since: str = "2.14"


class ModelTable(toml.Table, frozen=True):
    """The content of models.toml; ``models`` by name."""

    portrait: Portrait
    models: dict[str, RealModel]


def catalogue(path: Path = TABLE) -> ModelTable:
    """Read models.toml; raises WheelhouseError naming the file and the key that is wrong."""
    return toml.load(path, ModelTable)


def generated() -> list[Model]:
    """The small models that this project generates; their bytes are the same on every machine."""
    kinds: tuple[Kind, ...] = ("float32", "int8", "uint8")
    return [
        *(small_mobilenet(kind) for kind in kinds),
        _perceptron(),
        _arithmetic(),
        _resizable(),
        small_mobilenet("dynamic"),
    ]


def small_mobilenet(kind: Kind) -> Model:
    """MobileNetV1 0.25 for 96 x 96 pixels."""
    return _mobilenet(kind, 0.25, 96)


def benchmark_mobilenet(kind: Kind) -> Model:
    """MobileNetV1 1.0 for 224 x 224 pixels, the size that published benchmarks use."""
    return _mobilenet(kind, 1.0, 224)


def bad_files() -> dict[str, bytes]:
    """Files that a runtime must refuse with an exception; the keys name their defects."""
    good = _arithmetic().content
    noise = np.random.RandomState(4).randint(0, 256, 4096).astype(np.uint8).tobytes()
    return {
        "empty": b"",
        "truncated": good[: len(good) // 2],
        "noise": noise[:4] + b"TFL3" + noise[8:],
        "buffer-out-of-range": _arithmetic_content(buffer=999),
        "unknown-operator": _unknown_operator(),
    }


def read_model(name: str, archives: Mapping[str, Path], table: ModelTable | None = None) -> bytes:
    """The bytes of a model of models.toml; ``archives`` are the wheels by component.

    Raises WheelhouseError if the wheel has no such member, or one with another SHA-256.
    """
    return _read(name, (table or catalogue()).models[name], archives)


def real_models(archives: Mapping[str, Path]) -> list[Model]:
    """All models of models.toml, each with the portrait as its input.

    ``archives`` are the wheels by component. Raises WheelhouseError as :func:`read_model` does.
    """
    table = catalogue()
    picture = portrait(archives)
    return [
        Model(
            name,
            "float32",
            read_model(name, archives, table),
            {"0": as_input(picture, entry)},
            since=entry.since,
        )
        for name, entry in table.models.items()
    ]


def portrait(archives: Mapping[str, Path]) -> Image.Image:
    """The picture whose face is in models.toml, as RGB.

    ``archives`` are the wheels by component. Raises WheelhouseError as :func:`read_model` does.
    """
    content = _read("portrait", catalogue().portrait, archives)
    return Image.open(io.BytesIO(content)).convert("RGB")


def as_input(picture: Image.Image, entry: RealModel) -> NDArray[np.float32]:
    """The picture as a model's input: (1, side, side, 3), in the model's range."""
    small = picture.resize((entry.side, entry.side), Image.Resampling.BILINEAR)
    low, high = entry.range
    values = np.asarray(small, np.float32)[np.newaxis] / 255 * (high - low) + low
    return values.astype(np.float32)


def _read(name: str, entry: ArchiveMember, archives: Mapping[str, Path]) -> bytes:
    wheel = archives[entry.archive]
    try:
        with zipfile.ZipFile(wheel) as opened:
            content = opened.read(entry.member)
    except KeyError as error:
        raise WheelhouseError(
            f"{wheel.name} has no member {entry.member}.",
            f"Correct the archive's version, or member of {name} in models.toml.",
        ) from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != entry.sha256:
        raise WheelhouseError(
            f"{entry.member} in {wheel.name} has the SHA-256 {actual}, not {entry.sha256}.",
            f"Download the archive again, or correct sha256 of {name} in models.toml.",
        )
    return content


@lru_cache
def _mobilenet(kind: Kind, width: float, side: int) -> Model:
    example = network_input(kind, pictures(1, side, seed=7)[0])
    content = mobilenet(kind, width, side)
    since = "2.22" if kind == "dynamic" else Model.since
    return Model(f"mobilenet-{width}-{side}-{kind}", kind, content, {"input": example}, since=since)


def _perceptron() -> Model:
    """Two dense layers of INT8 weights between FP32 activations (dynamic-range quantisation)."""
    random = np.random.RandomState(1)
    writer = ModelWriter("perceptron")
    first = writer.tensor("input", (1, 64), "float32")
    hidden = writer.tensor("hidden", (1, 128), "float32")
    last = writer.tensor("output", (1, 16), "float32")
    for number, (before, after, shape) in enumerate(
        ((first, hidden, (128, 64)), (hidden, last, (16, 128)))
    ):
        values = random.randint(-127, 128, shape).astype(np.int8)
        weights = writer.constant(f"weights{number}", values, Quantisation((1 / 512,)))
        bias = writer.constant(f"bias{number}", np.linspace(-0.5, 0.5, shape[0], dtype=np.float32))
        relu = {"fusedActivationFunction": 1} if after == hidden else {}
        writer.operator("FULLY_CONNECTED", 3, [before, weights, bias], [after], **relu)
    example = (random.randint(-256, 257, (1, 64)) / 256).astype(np.float32)
    return Model("perceptron", "dynamic", writer.pack([first], [last]), {"input": example})


def _arithmetic() -> Model:
    """Sum and product of two vectors, with a signature whose names differ from the tensors'."""
    left = np.arange(8, dtype=np.float32).reshape(1, 8)
    inputs: dict[str, NDArray[Any]] = {"left": left, "right": left[:, ::-1] / 4}
    return Model(
        "arithmetic", "float32", _arithmetic_content(), inputs, SIGNATURE, ("sum", "product")
    )


def _arithmetic_content(buffer: int | None = None) -> bytes:
    writer = ModelWriter("arithmetic")
    x, y, total, product = (
        writer.tensor(name, (1, 8), "float32") for name in ("x", "y", "add", "mul")
    )
    if buffer is not None:
        writer.set_buffer(y, buffer)
    writer.operator("ADD", 1, [x, y], [total])
    writer.operator("MUL", 1, [x, y], [product])
    named = (SIGNATURE, {"left": x, "right": y}, {"sum": total, "product": product})
    return writer.pack([x, y], [total, product], named)


def _resizable() -> Model:
    """Two convolutions over a picture of any size; its example is not of the default size."""
    random = np.random.RandomState(2)
    writer = ModelWriter("resizable")
    first = writer.tensor("input", (1, -1, -1, 3), "float32")
    hidden = writer.tensor("hidden", (1, -1, -1, 8), "float32")
    last = writer.tensor("output", (1, -1, -1, 2), "float32")
    for number, (before, after, shape) in enumerate(
        ((first, hidden, (8, 3, 3, 3)), (hidden, last, (2, 1, 1, 8)))
    ):
        values = (random.randint(-128, 129, shape) / 256).astype(np.float32)
        weights = writer.constant(f"weights{number}", values)
        bias = writer.constant(f"bias{number}", np.full(shape[0], 0.25, np.float32))
        inputs, strides = [before, weights, bias], {"strideW": 1, "strideH": 1}
        writer.operator("CONV_2D", 1, inputs, [after], **strides)
    example = (random.randint(0, 256, (1, 24, 40, 3)) / 256).astype(np.float32)
    return Model("resizable", "float32", writer.pack([first], [last]), {"input": example})


def _unknown_operator() -> bytes:
    writer = ModelWriter("unknown operator")
    x, y = (writer.tensor(name, (1, 8), "float32") for name in ("x", "y"))
    writer.operator("NoSuchOperator", 1, [x], [y])
    return writer.pack([x], [y])
