"""Whether each face is a real one, or a picture of a face. Models: ``antispoof``, ``liveness``.

Three stages: MediaPipe's detector finds faces, and each is cut out upright for two models, 128 x
128 and 32 x 32 pixels. A face counts as real if both of them say so. They are a hint, no lock: try
them with your camera, your light and your prints.

Your own model: ``--model PATH`` replaces the first. It has one output, the probability of a real
face.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from tflite_examples import faces
from tflite_examples.errors import ExampleError
from tflite_examples.faces import Face
from tflite_examples.model import Model, Options
from tflite_examples.pictures import GREEN, RED, Pen

NOTHING = "no face"


@dataclass(frozen=True)
class Judged:
    """A face, and what both models say, as probabilities."""

    face: Face
    real: float
    live: float

    @property
    def is_real(self) -> bool:
        """Whether both models take it for a real face."""
        return min(self.real, self.live) > 0.5

    def __str__(self) -> str:
        word = "real" if self.is_real else "fake"
        return f"{word}: no picture of a face {self.real:.2f}, live {self.live:.2f}"


class Pipeline:
    """Find faces and judge whether they are real."""

    def __init__(self, options: Options) -> None:
        self._detect = faces.Detector(options)
        self._real = Model("antispoof", options)
        self._live = Model("liveness", options, replaceable=False)
        if self._real.shapes != [(1, 1)]:
            raise ExampleError(f"{self._real.path} has outputs other than one (1, 1).")

    def run(self, picture: Image.Image) -> list[Judged]:
        """The faces in a picture."""
        return [self._judge(picture, face) for face in self._detect(picture)]

    def _judge(self, picture: Image.Image, face: Face) -> Judged:
        scores = []
        for model in (self._real, self._live):
            cut = face.region().cut(picture, model.size[0])
            scores.append(float(model(model.prepare(cut))[0].reshape(-1)[0]))
        return Judged(face, *scores)

    def draw(self, picture: Image.Image, found: list[Judged]) -> None:
        """Boxes, green around real faces and red around others."""
        pen = Pen(picture)
        for each in found:
            word, colour = ("real", GREEN) if each.is_real else ("fake", RED)
            pen.box(each.face.box, f"{word} {min(each.real, each.live):.2f}", colour)
