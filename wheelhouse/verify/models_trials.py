"""Verify a wheel with the examples' models: each file loads, runs and computes what it does here.

1. The system's own pip installs it together with the universal ``tflite_runtime`` wheel; NumPy is
   the distribution's.
2. ``probe_models.py`` runs each model there, on the portrait or on random sound.
3. :func:`judge` turns its report into checks; outputs are compared with the reference's.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Pinned, Step
from wheelhouse.record import Check
from wheelhouse.sources import pins
from wheelhouse.specimens import models, pipelines
from wheelhouse.specimens.models import Model
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import reference, runtime_trials, session
from wheelhouse.verify.reference import Tolerance
from wheelhouse.verify.session import ProbeResult, TrialSetup

PROBE = ROOT / "wheelhouse" / "guest" / "probe_models.py"
ARCHIVE = "scikit-image"
"""The component whose wheel has the portrait."""

TOLERANCES: Mapping[str, Tolerance] = {
    "float32": Tolerance(1e-6, 2e-4),
    "int8": Tolerance(1e-6, 1e-2),
    "uint8": reference.TOLERANCES["uint8"],
}
"""By a model's arithmetic, where ``int8`` models have FP32 outputs and ``uint8`` ones bytes.

Measured emulated as Cortex-A72. FP32: 8.5e-5 of the largest magnitude, in the mask of
pose_landmark. INT8: 6e-8, where one quantum is 4e-3. UINT8: equal.
"""

LATER: Mapping[str, str] = {"selfie_segmentation": "Convolution2DTransposeBias"}
"""The models that the universal wheel's TFLite refuses, and the operator that it lacks.

``models.json`` says so to users.
"""


@dataclass(frozen=True)
class Packed:
    """A model's file in a wheel, with an input; ``entry`` is its run in the probe's plan."""

    name: str
    precision: str
    model: Model

    @property
    def label(self) -> str:
        """The name in checks and files, as in ``emotion-int8``."""
        return f"{self.name}-{self.precision}"

    @property
    def entry(self) -> dict[str, Any]:
        """Its run in the plan of ``probe_models.py``."""
        return {
            "name": self.name,
            "precision": self.precision,
            "inputs": f"{self.label}.npz",
            "outputs": f"{session.OUTPUTS}/{self.label}.npz",
        }


def trials_on(
    wheel: Path, beside: Sequence[Path], system: System, boards: Sequence[str], engine: str
) -> Iterator[Step]:
    """The trials of the wheel beside a runtime's on one system, as all boards."""
    (runtime,) = beside
    env = session.installation({"runtime": runtime, "wheel": wheel}, system, engine, wheel.stem)
    needs: Mapping[str, Step | Pinned | Path] = {
        "env": env,
        "wheel": wheel,
        ARCHIVE: pins.shared(ARCHIVE),
    }
    told = {"wheel": wheel.name, "runtime": runtime.name}
    for board in boards:
        yield session.trial(_try, system, board, engine, wheel.stem, needs, told)


def _try(inputs: Inputs, folder: Path) -> None:
    wheel, archives = inputs.needs["wheel"], {ARCHIVE: inputs.needs[ARCHIVE]}
    session.make_trial(inputs, folder, partial(trial_setup, wheel, archives))


def trial_setup(
    wheel: Path, archives: Mapping[str, Path], system: System, board: Board
) -> TrialSetup:
    """How the wheel is tried, beside the system's own NumPy."""
    tested = packed(wheel, models.portrait(archives))
    return TrialSetup(
        system=system,
        board=board,
        numpy="own",
        probes=(runtime_trials.PROBE, PROBE),
        models=(),
        plan={
            "module": "tflite_runtime.interpreter",
            "package": _package(wheel),
            "runs": [each.entry for each in tested],
        },
        judge=lambda seen: judge(tested, seen),
        files={f"{each.label}.npz": _stored(each.model.inputs) for each in tested},
    )


def packed(wheel: Path, picture: Image.Image) -> tuple[Packed, ...]:
    """All models of a wheel, in the order of its table, each with the picture as its input."""
    package = _package(wheel)
    with zipfile.ZipFile(wheel) as archive:
        table = json.loads(archive.read(f"{package}/models.json"))
        return tuple(
            Packed(name, precision, _model(archive.read(f"{package}/{file}"), row, picture, file))
            for name, row in table.items()
            for precision, file in row["files"].items()
        )


def _package(wheel: Path) -> str:
    return wheel.name.partition("-")[0]


def _model(content: bytes, row: Mapping[str, Any], picture: Image.Image, file: str) -> Model:
    """A model whose input is as its file wants it: in FP32, or in quanta."""
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

    opened = Interpreter(model_content=content)
    (wanted,), (first, *_) = opened.get_input_details(), opened.get_output_details()
    values = _values(row["input"]["size"], row["input"]["range"], picture)
    scale, zero = wanted["quantization"]
    if scale:
        limits = np.iinfo(wanted["dtype"])
        values = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    arithmetic = "float32" if row["files"].get("fp32") == file else "int8"
    if np.dtype(first["dtype"]).kind == "u":
        arithmetic = "uint8"
    return Model(
        f"{file} of the examples", arithmetic, content, {"0": values.astype(wanted["dtype"])}
    )


def _values(size: Sequence[int], span: Sequence[float], picture: Image.Image) -> NDArray[Any]:
    """The picture, or random values where a model wants no height, width and channels."""
    low, high = span
    if len(size) == 3:
        return pipelines.prepare(picture, tuple(size), (low, high))
    return np.random.RandomState(0).uniform(low, high, (1, *size)).astype(np.float32)


def _stored(inputs: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of a file that ``numpy.load`` reads."""
    stream = io.BytesIO()
    np.savez(stream, **dict(inputs))  # type: ignore[arg-type]
    return stream.getvalue()


def judge(tested: Sequence[Packed], result: ProbeResult) -> Iterator[Check]:
    """The checks of a probe's result; ``tested`` are the models of the wheel."""
    yield result.imported
    if not result.imported.passed:
        return
    report = result.report
    names = sorted({each.name for each in tested})
    yield Check("the models are listed", report["names"] == names, str(report["names"]))
    digests = {
        each.entry["outputs"]: hashlib.sha256(each.model.content).hexdigest() for each in tested
    }
    yield Check("the files are the wheel's", report["files"] == digests, str(report["files"]))
    for each in tested:
        yield from _judge_run(each, report["runs"][each.entry["outputs"]], result.outputs)


def _judge_run(each: Packed, run: Mapping[str, Any], outputs: Path) -> Iterator[Check]:
    error = run.get("error", run)  # a run that a signal ended has none
    if operator := LATER.get(each.name):
        lacked = operator in str((error or {}).get("message", ""))
        yield Check(f"{each.label} is refused for an operator", lacked, str(error))
        return
    yield Check(f"{each.label} runs", error is None, str(error))
    if error is not None:
        return
    delegated = bool(run["delegates"])
    yield Check(f"{each.label} uses XNNPACK", delegated, str(run["delegates"]))
    yield session.compare_outputs(
        f"{each.label} agrees with the reference",
        each.model,
        outputs / f"{each.label}.npz",
        TOLERANCES[each.model.arithmetic],
        delegated=delegated,
    )
