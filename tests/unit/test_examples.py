"""What the examples read and keep, pictures, sound and features, and the files themselves."""

from __future__ import annotations

import ast
import json
import math
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tflite_examples import cli, pictures, recognise, sound
from tflite_examples.errors import ExampleError
from tflite_examples.model import Model, Options

from tests.support import REPO

PACKAGE = REPO / "apps" / "tflite_examples"
SOURCES = sorted(PACKAGE.glob("*.py"))
PIPELINES = [f"{module}.py" for module, _ in cli.PIPELINES.values()]


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


def test_features_that_cannot_be_written_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(ExampleError, match="No space left"):
        recognise.save(str(tmp_path / "faces.json"), {"Ada": [[1.0]]})
    assert not [*tmp_path.iterdir()]


def test_a_sound_without_a_rate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 2, sound.RATE, 0, "NONE", ""))
        stream.writeframes(bytes(200))
    content = bytearray(path.read_bytes())
    content[24:28] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(ExampleError, match=r"a\.wav"):
        sound.load(str(path))


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
