"""Load, scale, draw on and save pictures, with Pillow 5.4 or later."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tflite_examples.errors import ExampleError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PILLOW: Any = Image  # the names of its constants in every release, which its stubs lack
AFFINE, BILINEAR, BOX = _PILLOW.AFFINE, _PILLOW.BILINEAR, _PILLOW.BOX
MIRRORED = _PILLOW.FLIP_LEFT_RIGHT

LUMA = (0.2989, 0.587, 0.114)
"""The weights of red, green and blue in grey."""

GREEN, RED, BLUE, YELLOW = (0, 190, 70), (220, 40, 40), (40, 110, 230), (250, 200, 0)

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: MIRRORED,
    3: _PILLOW.ROTATE_180,
    4: _PILLOW.FLIP_TOP_BOTTOM,
    5: _PILLOW.TRANSPOSE,
    6: _PILLOW.ROTATE_270,
    7: _PILLOW.TRANSVERSE,
    8: _PILLOW.ROTATE_90,
}
"""What makes a picture upright, by the orientation that EXIF tells."""


def load(path: str) -> Image.Image:
    """A picture in RGB, upright, the transparent white; raises ExampleError if that is no picture.

    Of an animation this is the first picture.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return _rgb(_upright(picture))
    except Image.DecompressionBombError as error:
        raise ExampleError(f"{path} is too large a picture.") from error
    except (OSError, SyntaxError, ValueError, struct.error, EOFError) as error:
        reason = getattr(error, "strerror", None)
        if reason is None:  # Pillow's own: what it says differs from release to release
            reason = "it is no picture, or a broken one"
        raise ExampleError(f"Cannot read {path}: {reason}.") from error


def save(picture: Image.Image, path: str) -> None:
    """Write a picture; raises ExampleError if the name's ending is unknown, or if it cannot."""
    try:
        picture.save(path)
    except (OSError, ValueError, KeyError) as error:
        raise ExampleError(f"Cannot write {path}: {first_line(error)}.") from error


def _upright(picture: Image.Image) -> Image.Image:
    read: Any = getattr(picture, "getexif", None) or getattr(picture, "_getexif", dict)
    try:
        orientation = (read() or {}).get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, struct.error, KeyError, IndexError):
        return picture  # broken EXIF is no reason to refuse a picture
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):  # 16 bits: Pillow would cut them off
        values = np.asarray(picture).astype(np.float64)
        picture = Image.fromarray((values / max(values.max(), 1) * 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        picture.alpha_composite(layer)
    return picture.convert("RGB")


def pixels(
    picture: Image.Image, size: Sequence[int], values: tuple[float, float]
) -> NDArray[np.float32]:
    """A picture as an array (1, height, width, channels), from ``values`` of black to white.

    ``size`` is height, width and channels; the picture is stretched to it. One channel is grey.
    """
    height, width, channels = size
    found = np.asarray(picture.resize((width, height), BILINEAR), np.float32) / 255
    if channels == 1:
        found = (found * np.array(LUMA, np.float32)).sum(axis=2, keepdims=True)
    black, white = values
    return (black + (white - black) * found)[np.newaxis].astype(np.float32)


class Pen:
    """Draw on a picture, in its pixels; lines and letters are as large as the picture needs."""

    def __init__(self, picture: Image.Image) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._size = picture.size
        self._line = max(1, round(min(picture.size) / 200))
        self._font = _font(max(10, round(min(picture.size) / 28)))

    def box(self, box: Any, text: str = "", colour: Any = GREEN) -> None:
        """A box (left, top, right, bottom), and a text at its upper edge."""
        left, top, right, bottom = map(float, box)
        for step in range(self._line):
            if right - left > 2 * step and bottom - top > 2 * step:
                edges = (left + step, top + step, right - step, bottom - step)
                self._draw.rectangle(edges, outline=colour)
        if text:
            self.text((left, top), text, colour)

    def text(self, at: Sequence[float], text: str, colour: Any = GREEN) -> None:
        """A text on a bar that ends above a point, inside the picture."""
        width, height = self._font.getmask(text).size
        left = min(max(at[0], 0), max(self._size[0] - width - 6, 0))
        top = max(at[1] - height - 8, 0)
        self._draw.rectangle((left, top, left + width + 6, top + height + 8), fill=colour)
        self._draw.text((left + 3, top + 2), text, (255, 255, 255), self._font)

    def row(self, number: int, text: str, colour: Any = GREEN) -> None:
        """A text in the picture's upper left corner, below ``number`` others."""
        height = self._font.getmask("Ag").size[1] + 8
        self.text((0, (number + 1) * (height + 2)), text, colour)

    def points(self, points: Iterable[Sequence[float]], colour: Any = GREEN) -> None:
        """Dots."""
        radius = (self._line + 1) // 2
        for x, y, *_ in points:
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def ring(self, centre: Sequence[float], radius: float, colour: Any = GREEN) -> None:
        """A circle."""
        x, y = map(float, centre)
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)

    def lines(self, points: Any, pairs: Iterable[tuple[int, int]], colour: Any = GREEN) -> None:
        """Lines between pairs of the points, by their numbers."""
        for one, other in pairs:
            ends = [tuple(map(float, points[number][:2])) for number in (one, other)]
            self._draw.line(ends, fill=colour, width=self._line)


def _font(size: int) -> Any:
    """Letters of about this height in pixels, or those that there are."""
    for name in ("DejaVuSans.ttf", os.path.join("dejavu", "DejaVuSans.ttf")):
        try:
            return ImageFont.truetype(name, size)
        except (OSError, ImportError):
            continue
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow before 10.1 has letters of one size
        return ImageFont.load_default()
