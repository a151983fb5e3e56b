"""Hear a word. Models: ``okay_nabu``, ``alexa`` and ``hey_jarvis``, which keep what they heard.

One stage: ``sound`` makes 40 numbers of each 10 ms, the model takes three of them at a time and
gives a probability, and the mean of the last five tells whether the word was said.

    python3 -m tflite_examples listen sound.wav --model alexa
    python3 -m tflite_examples listen --microphone

Your own model: one that microWakeWord made, ``--model PATH``.
"""

from __future__ import annotations

import argparse
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tflite_examples import sound
from tflite_examples.errors import ExampleError
from tflite_examples.model import Model, Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "no word"
COUNT, REST, QUIET = 5, 1.0, 1.0
"""Answers that a mean is of, seconds until the next word, and seconds of quiet to begin with."""

LEAST = {"alexa": 0.9, "hey_jarvis": 0.97}
"""The mean probability of a word, at least, as the models' author chose; of others 0.85."""

read = sound.load
"""What makes an input of a file."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only this pipeline has."""
    parser.add_argument("--microphone", action="store_true", help="instead of files")


@dataclass(frozen=True)
class Word:
    """A word that was heard: when, in seconds from the start, and how likely."""

    name: str
    seconds: float
    score: float

    def __str__(self) -> str:
        return f"{self.name} {self.score:.2f} at {self.seconds:.1f} s"


class Pipeline:
    """Listen for a word."""

    def __init__(self, options: Options, microphone: bool = False) -> None:
        self._name = options.model or "okay_nabu"
        self._model = Model("okay_nabu", options)
        if len(self._model.size) != 2 or self._model.size[1] != sound.CHANNELS:
            raise ExampleError(f"{self._model.path} is no model of microWakeWord.")
        self.microphone = microphone

    def run(self, samples: NDArray[Any]) -> list[Word]:
        """The words in a sound, from its start."""
        return list(self.follow([samples]))

    def follow(self, sounds: Iterable[NDArray[Any]]) -> Iterator[Word]:
        """Each word as it is heard in a sound that comes in parts; forgets what was before."""
        self._model.reset()
        features, rows = sound.Features(), []
        recent: deque[float] = deque(maxlen=COUNT)
        number, rest = 0, 0.0
        for samples in itertools.chain([np.zeros(round(QUIET * sound.RATE))], sounds):
            for row in features(samples):
                rows.append(row)
                number += 1
                if len(rows) < self._model.size[0]:
                    continue
                recent.append(float(self._model(np.stack(rows)[np.newaxis])[0].item()))
                rows.clear()
                seconds, score = number * sound.STEP / sound.RATE, sum(recent) / COUNT
                if score > LEAST.get(self._name, 0.85) and seconds >= rest:
                    rest = seconds + REST
                    yield Word(self._name, seconds - QUIET, score)
