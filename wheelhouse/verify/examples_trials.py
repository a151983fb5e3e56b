"""Verify the wheel of tflite-examples: each pipeline gives the right answers.

1. The system's own pip installs it together with the universal ``tflite_runtime`` wheel and those
   of the models; NumPy and Pillow are the distribution's.
2. ``probe_examples.py`` runs command lines there, on pictures and sounds with known answers.
3. :func:`judge` turns what they printed and drew into checks.
"""

from __future__ import annotations

import io
import math
import re
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from packaging.utils import parse_wheel_filename
from PIL import Image, ImageEnhance, ImageOps

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Pinned, Step
from wheelhouse.record import Check
from wheelhouse.sources import pins
from wheelhouse.specimens import scenes
from wheelhouse.specimens.faces import BoundingBox
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import runtime_trials, session
from wheelhouse.verify.session import ProbeResult, TrialSetup

PROBE = ROOT / "wheelhouse" / "guest" / "probe_examples.py"

FOUND, NOTHING, WRONG = 0, 1, 2
"""The exit statuses of the examples."""

PRECISIONS = ("fp32", "int8")
OVERLAP, MASK_OVERLAP = 0.5, 0.7
YEARS = 15
"""How far an age may be off."""

BROKEN = "broken.jpg"
_BOX = re.compile(r"(.+) (\d\.\d\d) at (-?\d+),(-?\d+) to (-?\d+),(-?\d+)\n")
_SCORED = re.compile(r"(.+) (\d\.\d\d)\n")
_PERSON = re.compile(r"(\w+) \d\.\d\d, (\d+) years\n")
_NOSE = re.compile(r"person \d\.\d\d, nose at (-?\d+),(-?\d+), ")
_HAND = re.compile(r"\w+ hand \d\.\d\d, wrist at (-?\d+),(-?\d+)\n")
_WORD = re.compile(r"(\w+) \d\.\d\d at (\d+\.\d) s\n")
_REAL = re.compile(r"(real|fake): no picture of a face (\d\.\d\d), live (\d\.\d\d)\n")


@dataclass(frozen=True)
class Run:
    """A command line; ``is_right`` tells whether what it prints is."""

    words: Sequence[str]
    is_right: Callable[[str], bool]
    status: int = FOUND


def runs() -> dict[str, Run]:
    """All runs by name, in order. The slowest models are run in INT8: emulation takes time."""
    portrait, int8 = "portrait.png", ("--precision", "int8")
    known = (*int8, "--known", "known.json")
    found: dict[str, Run] = {
        "faces": Run(["faces", portrait], partial(_has_box, "face", scenes.FACE)),
        "no face": Run(["faces", "brick.png"], partial(_says, "no face found"), NOTHING),
        "detect": Run(["detect", portrait, *int8], partial(_has_box, "person", scenes.PERSON)),
        "classify": Run(["classify", "coffee.png"], partial(_says, "espresso ")),
        "segment": Run(["segment", portrait, "-o", "segment.png"], partial(_says, "person: ")),
        "pose": Run(["pose", portrait], _has_nose),
        "hand": Run(["hands", "hand.png"], _has_wrist),
        "no hand": Run(["hands", "brick.png"], partial(_says, "no hand found"), NOTHING),
        "enrol": Run(["recognise", portrait, "--enrol", "Eileen", *known], _is_eileen),
        "recognise": Run(["recognise", "darker.png", *known], _is_eileen),
        "stranger": Run(["recognise", "stranger.png", *known], partial(_says, "unknown ")),
        "anti-spoof": Run(["anti-spoof", portrait], partial(_says, "real: ")),
        "a screen": Run(["anti-spoof", "screen.png"], _is_judged),
        "noise": Run(["listen", "noise.wav"], partial(_says, "no word found"), NOTHING),
    }
    for precision in PRECISIONS:
        words = (portrait, "--precision", precision)
        found |= {
            f"expression {precision}": Run(["expression", *words], _is_happy),
            f"age-gender {precision}": Run(["age-gender", *words], _is_her_age),
        }
    for word in ("okay_nabu", "alexa"):
        words = (f"{word}.wav", "--model", word)
        found[f"listen {word}"] = Run(["listen", *words], partial(_hears, word))
    return found


def _says(beginning: str, printed: str) -> bool:
    """Whether a line begins so, or a message ends so."""
    return printed.startswith(beginning) or printed.endswith(f": {beginning}\n")


def _has_box(label: str, truth: BoundingBox, printed: str) -> bool:
    found = _BOX.match(printed)
    if not found or found[1] != label:
        return False
    return BoundingBox(*map(float, found.groups()[2:])).overlap(truth) >= OVERLAP


def _has_nose(printed: str) -> bool:
    found = _NOSE.match(printed)
    return found is not None and math.dist(map(float, found.groups()), scenes.NOSE) < 12


def _has_wrist(printed: str) -> bool:
    found = _HAND.fullmatch(printed)
    return found is not None and math.dist(map(float, found.groups()), scenes.WRIST) < 40


def _is_happy(printed: str) -> bool:
    found = _SCORED.fullmatch(printed)
    return found is not None and found[1] == "happy" and float(found[2]) > 0.5


def _is_her_age(printed: str) -> bool:
    found = _PERSON.fullmatch(printed)
    return found is not None and found[1] == "female" and abs(int(found[2]) - scenes.AGE) <= YEARS


def _is_eileen(printed: str) -> bool:
    found = _SCORED.fullmatch(printed)
    return found is not None and found[1] == "Eileen"


def _is_judged(printed: str) -> bool:
    return bool(_REAL.fullmatch(printed))


def _hears(word: str, printed: str) -> bool:
    found = _WORD.fullmatch(printed)
    return found is not None and found[1] == word and 0.4 < float(found[2]) < 1.6


def trials_on(
    wheel: Path, beside: Sequence[Path], system: System, boards: Sequence[str], engine: str
) -> Iterator[Step]:
    """The trials of the wheel beside a runtime's and the models' on one system, as all boards."""
    wheels = {path.name.partition("-")[0]: path for path in (*beside, wheel)}
    env = session.installation(wheels, system, engine, wheel.stem)
    needs: Mapping[str, Step | Pinned | Path] = {
        "env": env,
        **{name: pins.shared(name) for name in scenes.ARCHIVES},
    }
    runtime, *models = beside
    told = {"wheel": wheel.name, "runtime": runtime.name, "models": [each.name for each in models]}
    for board in boards:
        yield session.trial(_try, system, board, engine, wheel.stem, needs, told)


def _try(inputs: Inputs, folder: Path) -> None:
    archives = {name: inputs.needs[name] for name in scenes.ARCHIVES}
    wheel = inputs.parameters["wheel"]
    session.make_trial(inputs, folder, partial(trial_setup, wheel, archives))


def trial_setup(
    wheel: str, archives: Mapping[str, Path], system: System, board: Board
) -> TrialSetup:
    """How the wheel of that name is tried, beside the system's own NumPy and Pillow."""
    return TrialSetup(
        system=system,
        board=board,
        numpy="own",
        probes=(runtime_trials.PROBE, PROBE),
        models=(),
        plan={
            "module": "tflite_runtime.interpreter",
            "runs": {name: list(run.words) for name, run in runs().items()},
            "command": ["faces", BROKEN],
        },
        judge=lambda seen: judge(wheel, system, seen),
        files=files(archives),
    )


def files(archives: Mapping[str, Path]) -> dict[str, bytes]:
    """The pictures and sounds by name, of :data:`scenes.ARCHIVES`."""
    archive = archives[scenes.PICTURES]
    portrait = scenes.picture(archive, scenes.PORTRAIT)
    pictures = {
        "portrait": portrait,
        "coffee": scenes.picture(archive, "coffee"),
        "brick": scenes.picture(archive, "brick"),
        "hand": scenes.hand(archives[scenes.HANDS], "nocurl"),
        "darker": ImageEnhance.Brightness(ImageOps.mirror(portrait)).enhance(0.7),
        "stranger": scenes.strangers(archive)[0],
        "screen": scenes.on_a_screen(portrait),
    }
    return {
        **{f"{name}.png": _encoded(each, "PNG") for name, each in pictures.items()},
        **{path.name: path.read_bytes() for path in sorted(scenes.SOUNDS.glob("*.wav"))},
        BROKEN: _encoded(portrait, "JPEG")[:9000],
        "noise.wav": _noise(),
    }


def _encoded(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def _noise() -> bytes:
    """Two seconds of noise as a WAV file."""
    samples = np.random.default_rng(0).normal(0, 1500, 2 * 16000).astype("<i2")
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((1, 2, 16000, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    return stream.getvalue()


def judge(wheel: str, system: System, result: ProbeResult) -> Iterator[Check]:
    """The checks of a probe's result, one for each promise to users."""
    yield result.imported
    if not result.imported.passed:
        return
    report = result.report
    _, version, *_ = parse_wheel_filename(wheel)
    python = report["system"]["python"].rpartition(".")[0]
    folders = report["folders"]
    own = all(path.startswith("/usr/lib/python3/") for path in folders.values())
    for name, passed, seen in (
        ("Python", python == system.python, python),
        ("__version__", report["version"] == str(version), report["version"]),
        ("NumPy and Pillow are the system's", own, folders),
    ):
        yield Check(name, passed, str(seen))
    for name, run in runs().items():
        yield from _judge_run(name, run, report["runs"][name])
    yield _judge_spoof(report["runs"])
    yield _judge_mask(report["runs"]["segment"])
    yield _judge_broken(report["command"])


def _judge_run(name: str, run: Run, told: Mapping[str, Any]) -> Iterator[Check]:
    ended = (told.get("error", told), told.get("status")) == (None, run.status)
    yield Check(f"{name}: it ends as it should", ended, str(told)[-400:])
    if ended:
        yield Check(f"{name}: the answer", run.is_right(told["printed"]), told["printed"])


def _judge_spoof(told: Mapping[str, Mapping[str, Any]]) -> Check:
    """A picture of a screen seems less real than the portrait."""
    found = [_REAL.fullmatch(told[name].get("printed", "")) for name in ("anti-spoof", "a screen")]
    scores = [float(each[2]) * float(each[3]) if each else np.nan for each in found]
    return Check("a screen seems less real", scores[1] < scores[0], f"{scores}")


def _judge_mask(told: Mapping[str, Any]) -> Check:
    """What is drawn on the portrait covers the person."""
    drawn = np.array([[each == "1" for each in row] for row in told.get("drawn", [])])
    truth = scenes.outlined((512, 512))[::8, ::8]
    if drawn.shape != truth.shape:
        return Check("the mask covers the person", False, f"{drawn.shape}")
    overlap = float((drawn & truth).sum() / (drawn | truth).sum())
    return Check("the mask covers the person", overlap >= MASK_OVERLAP, f"{overlap:.2f}")


def _judge_broken(told: Mapping[str, Any]) -> Check:
    """A broken picture is one line for readers, and no traceback."""
    lines = [line for line in told["errors"].splitlines() if line.startswith("error: ")]
    passed = (
        told["status"] == WRONG
        and len(lines) == 1
        and BROKEN in lines[0]
        and "Traceback" not in told["errors"]
    )
    return Check("a broken picture is one line", passed, str(told)[-400:])
