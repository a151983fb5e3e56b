"""The models of the examples, from pipelines.toml: converted ones, and ones that are copied."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from wheelhouse.common.root import ROOT
from wheelhouse.common.toml import Table, load

TABLE = ROOT / "wheelhouse" / "specimens" / "pipelines.toml"

MAIN = "tflite_examples_models"
"""The import package with most models."""

LUMA = (0.2989, 0.587, 0.114)
"""The weights of red, green and blue in grey, as in the originals' own programs."""

_BRIGHTNESS = (1.0, 0.6, 1.3)
"""Each picture for calibration is used as it is, and mirrored in the other brightnesses."""


class Output(Table, frozen=True):
    """An output of a converted model: the original's node, and what it means."""

    node: str
    meaning: str


class Entry(Table, frozen=True, kw_only=True):
    """What is known of every model; ``pipeline`` is the example that uses it.

    ``size`` is the input's height, width and channels, ``range`` the values of black and white.
    ``wheel`` is the import package that has the model, or empty.
    """

    pipeline: str
    about: str
    origin: str
    size: tuple[int, ...]
    range: tuple[float, float]
    wheel: str = MAIN


class Converted(Entry, frozen=True, kw_only=True):
    """A graph model of TensorFlow.js: ``models/original.json`` and ``.bin`` of human-models.

    ``mean`` and ``deviation`` are those of blue, green and red by which the original wants pictures
    normalised; the converted model does that itself. With ``channels_first`` the original has
    channels before height and width.
    """

    original: str
    calibration: Literal["faces", "scenes"]
    outputs: Mapping[str, Output]
    labels: tuple[str, ...] = ()
    channels_first: bool = False
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    int8: bool = True


class Copied(Entry, frozen=True, kw_only=True):
    """A TFLite model: ``member`` of the component ``archive``.

    ``labels`` is the file with its labels, in the zip archive that is appended to such models.
    """

    archive: str
    member: str
    credit: str
    outputs: tuple[str, ...]
    labels: str = ""
    precision: Literal["fp32", "int8"] = "fp32"


class Pictures(Table, frozen=True):
    """A picture in the component scikit-image, and boxes in it: left, top, right, bottom."""

    member: str
    boxes: tuple[tuple[int, int, int, int], ...] = ()


class Pipelines(Table, frozen=True):
    """The content of pipelines.toml; ``version`` is that of the wheels."""

    version: str
    converted: Mapping[str, Converted]
    copied: Mapping[str, Copied]
    calibration: Mapping[str, tuple[Pictures, ...]]


@cache
def pipelines(path: Path = TABLE) -> Pipelines:
    """Read pipelines.toml; raises WheelhouseError naming the file and the key that is wrong."""
    return load(path, Pipelines)


def prepare(
    picture: Image.Image, size: tuple[int, ...], values: tuple[float, float]
) -> NDArray[np.float32]:
    """A picture as a model's input: scaled, grey if there is one channel, from black to white."""
    height, width, channels = size
    scaled = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(scaled, np.float64) / 255
    if channels == 1:
        pixels = (pixels * LUMA).sum(axis=2, keepdims=True)
    black, white = values
    return (black + (white - black) * pixels)[np.newaxis].astype(np.float32)


def calibration_inputs(
    pictures: list[Mapping[str, Any]],
    archive: Path,
    size: tuple[int, ...],
    values: tuple[float, float],
) -> Iterator[NDArray[np.float32]]:
    """The inputs to calibrate a model with; ``archive`` is the wheel of scikit-image."""
    with zipfile.ZipFile(archive) as wheel:
        for row in pictures:
            picture = Image.open(io.BytesIO(wheel.read(row["member"]))).convert("RGB")
            for box in row["boxes"] or [(0, 0, *picture.size)]:
                part = picture.crop(tuple(box))
                for brightness in _BRIGHTNESS:
                    lit = ImageEnhance.Brightness(part).enhance(brightness)
                    shown = lit if brightness == 1 else ImageOps.mirror(lit)
                    yield prepare(shown, size, values)


def embedded_text(model: bytes, member: str) -> str:
    """A text file in the zip archive that is appended to a model, for example its labels."""
    with zipfile.ZipFile(io.BytesIO(model)) as appended:
        return appended.read(member).decode()
