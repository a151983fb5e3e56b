"""Sound files, the microphone, and what TFLite's models of words hear: 40 numbers each 10 ms.

The numbers are those of TensorFlow's "micro frontend": a window of 30 ms, the spectrum, triangles
on the mel scale, less the steady noise of each, with automatic gain, as logarithms.
"""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tflite_examples.errors import ExampleError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16000
"""Samples a second."""

STEP, WINDOW, BINS = 160, 480, 512
CHANNELS, LOWEST, HIGHEST = 40, 125.0, 7500.0
_SMOOTHING = np.where(np.arange(CHANNELS) % 2, 0.06, 0.025)
_REMAINING = 0.05
"""The share of a signal that is left when all of it is noise."""

_GAIN_OFFSET, _GAIN_STRENGTH = 80.0, 0.95


def triangles() -> NDArray[Any]:
    """The share of each bin of the spectrum in each channel: an array (CHANNELS, bins)."""

    def mel(hertz: Any) -> Any:
        return 1127 * np.log1p(np.asarray(hertz) / 700)

    corners = np.linspace(mel(LOWEST), mel(HIGHEST), CHANNELS + 2)
    place = mel(np.arange(BINS // 2 + 1) * RATE / BINS)
    rows = [np.interp(place, corners[number : number + 3], [0, 1, 0]) for number in range(CHANNELS)]
    return np.array(rows)


class Features:
    """Turn sound into features, as it comes."""

    def __init__(self) -> None:
        self._window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)
        self._triangles = triangles()
        self._noise = np.zeros(CHANNELS)
        self._left = np.zeros(0)

    def __call__(self, samples: NDArray[Any]) -> list[NDArray[np.float32]]:
        """The features that samples complete, each CHANNELS numbers from 0 to 26."""
        self._left = np.concatenate([self._left, samples])
        rows = []
        while len(self._left) >= WINDOW:
            rows.append(self._row(self._left[:WINDOW]))
            self._left = self._left[STEP:]
        return rows

    def _row(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        energy = np.abs(np.fft.rfft(samples * self._window, BINS) / BINS) ** 2
        signal = np.floor(64 * np.sqrt(self._triangles @ energy))
        self._noise += _SMOOTHING * (signal - self._noise)
        clean = np.floor(np.maximum(signal - self._noise, signal * _REMAINING))
        ratio = 8 * clean * (8 * self._noise + _GAIN_OFFSET) ** -_GAIN_STRENGTH
        loudness = np.floor(np.where(ratio < 2, 16 * ratio**2, 64 * ratio - 64))
        scaled = np.round(64 * np.log(np.maximum(8 * loudness, 1)))
        return np.asarray(scaled / 25.6, np.float32)


def load(path: str) -> NDArray[Any]:
    """A WAV file's samples, from -32768 to 32767, of all channels together, at RATE.

    Raises ExampleError if it is no such file.
    """
    try:
        with wave.open(path, "rb") as stream:
            channels, width, rate, *_ = stream.getparams()
            content = stream.readframes(stream.getnframes())
    except (OSError, EOFError, wave.Error, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise ExampleError(f"Cannot read {path} as a WAV file: {reason}.") from error
    if not rate:
        raise ExampleError(
            f"{path} does not say how many samples a second it has: record it again."
        )
    if width != 2:
        raise ExampleError(f"{path} has {8 * width} bits a sample: make it one with 16.")
    whole = len(content) // (2 * channels) * channels
    samples = np.frombuffer(content, "<i2", whole).reshape(-1, channels).mean(axis=1)
    if rate == RATE or not len(samples):
        return np.asarray(samples)
    if rate % RATE == 0:  # the mean of neighbours, so that nothing high is heard as low
        size = rate // RATE
        return np.asarray(samples[: len(samples) // size * size].reshape(-1, size).mean(axis=1))
    times = np.arange(int(len(samples) * RATE / rate)) * rate / RATE
    return np.asarray(np.interp(times, np.arange(len(samples)), samples))


def microphone() -> Iterator[NDArray[Any]]:
    """What the microphone hears, 100 ms at a time, through ``arecord``; raises ExampleError."""
    command = ["arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", str(RATE), "-c", "1"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
    except OSError as error:
        raise ExampleError("There is no arecord: `sudo apt install alsa-utils`.") from error
    try:
        while True:
            content = process.stdout.read(RATE // 5) if process.stdout else b""
            if not content:
                raise ExampleError("There is no microphone, or it is gone: see `arecord -l`.")
            yield np.frombuffer(content, "<i2").astype(float)
    finally:
        process.kill()
        process.wait()
