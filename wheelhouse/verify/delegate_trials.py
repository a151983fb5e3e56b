"""Verify a wheel of the Arm NN delegate on every emulated Raspberry Pi that it is for.

1. The system's own pip installs it together with the universal ``tflite_runtime`` wheel; NumPy is
   the distribution's.
2. ``probe_armnn.py`` runs the models there, as on a Raspberry Pi 3, 4 and 5.
3. :func:`judge` turns its report into checks; outputs are compared with those that the reference
   computes without Arm NN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from packaging.utils import parse_wheel_filename

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.record import Check
from wheelhouse.sources import pins
from wheelhouse.specimens import armnn
from wheelhouse.specimens.models import Model
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import runtime_trials, session
from wheelhouse.verify.reference import Tolerance
from wheelhouse.verify.session import ProbeResult, TrialSetup

PROJECT = "tflite_armnn_delegate"

FP16 = "FP16"
"""The arithmetic of an FP32 model that runs with ``reduce_fp32_to_fp16``."""

TOLERANCES: Mapping[str, Tolerance] = {
    "float32": Tolerance(1e-6, 1e-4),
    "dynamic": Tolerance(1e-6, 1e-3),
    "int8": Tolerance(4),
    "uint8": Tolerance(8),
    FP16: Tolerance(1e-3, 2e-2),
}
"""By a model's arithmetic; in quanta for INT8 and UINT8.

Measured on these models, emulated as Cortex-A53, A72 and A76. FP32: 2e-5 of the largest magnitude
at most. INT8: 2 quanta. UINT8: 4. FP16: 8e-3 of the largest magnitude.
"""

MIN_DELEGATED: Mapping[str, int] = {
    "segmentation-float32": 8,
    "segmentation-int8": 8,
    "detector-float32": 9,
    "detector-int8": 9,
    "mobilenet-0.25-96-float32": 30,
    "mobilenet-0.25-96-int8": 30,
    "mobilenet-0.25-96-uint8": 30,
    "face_detection_short_range": 164,
    "face_detection_full_range_sparse": 204,
    "face_landmark": 210,
    "hand_landmark_lite": 167,
    "pose_detection": 139,
}
"""How many operators of a model Arm NN must take, at least; 1 for models that are not named.

Those that it converts while it loads the model count.
"""

NOT_DELEGATED = ("perceptron",)
"""The models that Arm NN leaves to TFLite: dense layers with INT8 weights and FP32 activations."""

LEFT_TO_TFLITE: Mapping[str, str] = {"comparison": "GREATER", "unsupported": "CUMSUM"}
"""The only operator of a model that Arm NN must leave to TFLite."""

_PROBE = ROOT / "wheelhouse" / "guest" / "probe_armnn.py"
_FP16_OF = "segmentation-float32"
_MIXED = "face_detection_full_range_sparse"
_TOGETHER = ("mobilenet-0.25-96-int8", "detector-float32")


def trials_on(
    delegate: Path, beside: Sequence[Path], system: System, boards: Sequence[str], engine: str
) -> Iterator[Step]:
    """The trials of a delegate's wheel beside a runtime's on one system, as all boards."""
    (runtime,) = beside
    wheels = {"runtime": runtime, "delegate": delegate}
    env = session.installation(wheels, system, engine, delegate.stem)
    archives = {name: pins.shared(name) for name in runtime_trials.ARCHIVES}
    told = {"delegate": delegate.name, "runtime": runtime.name}
    for board in boards:
        yield session.trial(
            _try, system, board, engine, delegate.stem, {"env": env, **archives}, told
        )


def _try(inputs: Inputs, folder: Path) -> None:
    told, needs = inputs.parameters, inputs.needs
    archives = {name: needs[name] for name in runtime_trials.ARCHIVES}
    wheels = Path(told["delegate"]), Path(told["runtime"])
    session.make_trial(inputs, folder, partial(trial_setup, *wheels, archives))


def trial_setup(
    delegate: Path, runtime: Path, archives: Mapping[str, Path], system: System, board: Board
) -> TrialSetup:
    """How the delegate is tried, beside the system's own NumPy."""
    tried = models_of(runtime, archives)
    return TrialSetup(
        system=system,
        board=board,
        numpy="own",
        probes=(runtime_trials.PROBE, _PROBE),
        models=tried,
        plan=_plan(tried),
        judge=lambda seen: judge(delegate, board, tried, seen),
    )


def models_of(runtime: Path, archives: Mapping[str, Path]) -> tuple[Model, ...]:
    """Arm NN's own models, and all that the runtime runs without a signature."""
    shared = [model for model in runtime_trials.models_of(runtime, archives) if not model.signature]
    return (*armnn.generated(), *shared)


def _plan(tested: Sequence[Model]) -> dict[str, Any]:
    """The plan of ``probe_armnn.py``."""

    def entry(name: str, model: str, options: object, default: bool = False) -> dict[str, Any]:
        return {
            "name": name,
            "model": f"{model}.tflite",
            "inputs": f"{model}.npz",
            "outputs": f"{session.OUTPUTS}/{name}.npz",
            "options": options,
            "default": default,
        }

    return {
        "module": "tflite_runtime.interpreter",
        "runs": [
            *(entry(model.name, model.name, {}) for model in tested),
            entry("fp16", _FP16_OF, {"reduce_fp32_to_fp16": True}),
            entry("mixed", _MIXED, {}, default=True),
            entry("xnnpack", _FP16_OF, None, default=True),
        ],
        "together": list(_TOGETHER),
    }


def judge(
    delegate: Path, board: Board, tested: Sequence[Model], result: ProbeResult
) -> Iterator[Check]:
    """The checks of a probe's result, one for each promise to users.

    ``tested`` are the models that ran.
    """
    yield result.imported
    if not result.imported.passed:
        return
    report, done, outputs = result.report, result.done, result.outputs
    _, version, _, _ = parse_wheel_filename(delegate.name)
    yield Check("__version__", report["version"] == str(version), report["version"])
    runs = report["runs"]
    by_name = {model.name: model for model in tested}
    for model in tested:
        yield from _judge_run(model, model.name, model.arithmetic, runs[model.name], outputs)
    reduces = board.has_fp16
    model = by_name[_FP16_OF]
    yield from _judge_run(model, "fp16", FP16 if reduces else "float32", runs["fp16"], outputs)
    used = runs["fp16"].get("in_fp16")
    yield Check("FP16 is used where the processor has it", used is reduces, str(used))
    yield from _judge_run(by_name[_MIXED], "mixed", "float32", runs["mixed"], outputs)
    yield _compare(model, "xnnpack", "float32", outputs)
    xnnpack = runtime_trials.DELEGATE_LINE in done.stderr
    yield Check("XNNPACK works in the same process", xnnpack, done.stderr[-400:])
    logged = "backends CpuAcc, chosen by the model" in done.stderr
    yield Check("the choice of backends is logged", logged, done.stderr[-400:])
    worst = report["together"].get("worst", {})
    equal = set(worst) == {*_TOGETHER} and not any(worst.values())
    yield Check("two interpreters run in two threads", equal, str(report["together"]))
    yield from _judge_refusals(report["refusals"])


def _judge_refusals(refusals: dict[str, Any]) -> Iterator[Check]:
    """Each error must name what is allowed, or what was not known."""
    for name, kind, words in (
        ("option", "TypeError", "num_threads"),
        ("backend", "ValueError", "CpuAcc, CpuRef"),
        ("library's option", "ValueError", "no-such-option"),
    ):
        error = (refusals[name] or {}).get("error") or {}
        refused = error.get("type") == kind and words in error.get("message", "")
        yield Check(f"an unknown {name} is refused", refused, str(error))


def _judge_run(
    model: Model, name: str, arithmetic: str, entry: dict[str, Any], outputs: Path
) -> Iterator[Check]:
    yield Check(f"{name} runs", entry["error"] is None, str(entry["error"]))
    if entry["error"] is not None:
        return
    if name in NOT_DELEGATED:
        yield _judge_left(name, entry)
    else:
        yield from _judge_delegation(name, entry)
    yield _compare(model, name, arithmetic, outputs)


def _judge_left(name: str, entry: dict[str, Any]) -> Check:
    taken, workloads = entry["delegation"]["inside"], entry["workloads"]
    left = not taken and not workloads
    return Check(f"{name} is left to TFLite", left, f"{taken} {workloads}")


def _judge_delegation(name: str, entry: dict[str, Any]) -> Iterator[Check]:
    inside, workloads = entry["delegation"]["inside"], entry["workloads"]
    enough = len(inside) >= MIN_DELEGATED.get(name, 1)
    yield Check(f"{name} is delegated", enough, str(entry["delegation"]))
    if left := LEFT_TO_TFLITE.get(name):
        outside = entry["delegation"]["outside"]
        yield Check(f"{name} leaves {left} to TFLite", outside == [left], str(outside))
    # Workloads of CpuRef, which computes without NEON, have names that begin with Ref.
    by_reference = any(workload.startswith("Ref") for workload in workloads)
    accelerated = bool(workloads) and not by_reference
    yield Check(f"{name} is run by CpuAcc", accelerated, str(workloads))


def _compare(model: Model, name: str, arithmetic: str, outputs: Path) -> Check:
    """Compare with TFLite's built-in kernels, which run the operators that Arm NN leaves."""
    return session.compare_outputs(
        f"{name} agrees with TFLite",
        model,
        outputs / f"{name}.npz",
        TOLERANCES[arithmetic],
        delegated=False,
    )
