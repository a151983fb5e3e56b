"""Whose face it is. Model: ``faceres``, 224 x 224 pixels.

Two stages: MediaPipe's detector finds faces, and each is cut out upright for the second model,
whose last output are the face's features. The cosine of two faces' features tells whether they are
one person's. First ``recognise --enrol NAME picture.jpg`` for each person, then ``recognise``.
The file of features, for its owner alone, keeps no pictures.

Your own model has the features, any number, as its last output; it needs a file of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tflite_examples import faces
from tflite_examples.errors import ExampleError, first_line
from tflite_examples.faces import Face
from tflite_examples.model import Model, Options
from tflite_examples.pictures import GREEN, RED, Pen

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "no face"
FILE = os.path.join("~", ".local", "share", "tflite-examples", "faces.json")
LEAST = 0.7  # the cosine of features of one person


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only this pipeline has."""
    parser.add_argument("--enrol", default="", metavar="NAME", help="remember the picture's face")
    parser.add_argument("--known", default=FILE, metavar="FILE", help=f"of features ({FILE})")


@dataclass(frozen=True)
class Person:
    """A face, its features as a vector of length 1, and whose it is: its name or nothing."""

    face: Face
    features: NDArray[Any]
    name: str = ""
    cosine: float = 0.0

    def __str__(self) -> str:
        return f"{self.name or 'unknown'} {self.cosine:.2f}"


class Pipeline:
    """Find faces and the people that they belong to, or enrol them under a name."""

    def __init__(self, options: Options, enrol: str = "", known: str = FILE) -> None:
        self._detect = faces.Detector(options)
        self._model = Model("faceres", options)
        self._enrol, self._path = enrol, os.path.abspath(os.path.expanduser(known))
        self._known = load(self._path, self._model.shapes[-1][-1])

    def run(self, picture: Image.Image) -> list[Person]:
        """The people in a picture; with ``enrol`` its only face gets the name."""
        found = [Person(face, self.features(picture, face)) for face in self._detect(picture)]
        if self._enrol and found:
            if len(found) > 1:
                raise ExampleError(f"There are {len(found)} faces: enrol a picture with one.")
            self._known.setdefault(self._enrol, []).append(found[0].features.tolist())
            save(self._path, self._known)
        return [self._named(each) for each in found]

    def features(self, picture: Image.Image, face: Face) -> NDArray[Any]:
        """A face's features, a vector of length 1."""
        cut = face.region().cut(picture, self._model.size[0])
        found = self._model(self._model.prepare(cut))[-1].reshape(-1)
        return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12))

    def _named(self, person: Person) -> Person:
        known = self._known.items()
        cosines = [(float((np.array(rows) @ person.features).max()), name) for name, rows in known]
        cosine, name = max(cosines, default=(0.0, ""))
        return replace(person, name=name if cosine >= LEAST else "", cosine=cosine)

    def draw(self, picture: Image.Image, found: list[Person]) -> None:
        """Boxes with names."""
        pen = Pen(picture)
        for each in found:
            pen.box(each.face.box, str(each), GREEN if each.name else RED)


def load(path: str, count: int) -> dict[str, list[list[float]]]:
    """The features by name, ``count`` in a row, from a file; none if there is no file yet."""
    try:
        with open(path, encoding="utf-8") as stream:
            known = {str(name): list(rows) for name, rows in json.load(stream).items()}
            shapes = {np.array(rows, np.float32).shape[1:] for rows in known.values()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ExampleError(f"Cannot read features from {path}: {first_line(error)}.") from error
    if shapes - {(count,)}:
        raise ExampleError(f"{path} has features of another model: name another after --known.")
    return known


def save(path: str, known: dict[str, list[list[float]]]) -> None:
    """Write the file at an absolute path, whole or not at all, for its owner alone."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as scratch:
            handle, partial = tempfile.mkstemp(dir=scratch)  # readable by its owner alone
            with open(handle, "w", encoding="utf-8") as stream:
                json.dump(known, stream)
            os.replace(partial, path)
    except OSError as error:
        raise ExampleError(f"Cannot write {path}: {error.strerror}.") from error
