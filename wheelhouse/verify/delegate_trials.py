"""Try a finished wheel of the Arm NN delegate on every emulated Raspberry Pi that it is for.

1. The system's own pip installs it together with the universal ``tflite_runtime`` wheel, beside the
   distribution's NumPy.
2. ``probe_armnn.py`` runs the models there, as a Raspberry Pi 3, 4 and 5.
3. What it reports is judged here, against what the independent reference computes without Arm NN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import parse_wheel_filename

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.package import products
from wheelhouse.record import Check
from wheelhouse.sources import pins
from wheelhouse.specimens import armnn
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import runtime_trials, session
from wheelhouse.verify.reference import Tolerance
from wheelhouse.verify.session import Exam, Seen

PROJECT = "tflite_armnn_delegate"

BOARDS = ("Raspberry Pi 3", "Raspberry Pi 4", "Raspberry Pi 5")
WITH_FP16 = ("Raspberry Pi 5",)
"""The boards whose processor computes in FP16."""

FP16 = "FP16"
"""The arithmetic of an FP32 model that Arm NN is asked to reduce."""

TOLERANCES: Mapping[str, Tolerance] = {
    "float32": Tolerance(1e-6, 1e-4),
    "dynamic": Tolerance(1e-6, 1e-3),
    "int8": Tolerance(4),
    "uint8": Tolerance(8),
    FP16: Tolerance(1e-3, 2e-2),
}
"""By a model's arithmetic, as reference.py's; integers in quanta.

Measured on these models, emulated as Cortex-A53, A72 and A76. FP32: 2e-5 of the largest magnitude
at most. INT8: 2 quanta. UINT8: 4. FP16: 8e-3.
"""

TAKEN: Mapping[str, int] = {
    "segmentation-float32": 8,
    "segmentation-int8": 8,
    "detector-float32": 9,
    "detector-int8": 9,
    "mobilenet-0.25-96-float32": 30,
    "mobilenet-0.25-96-int8": 30,
    "mobilenet-0.25-96-uint8": 30,
    "perceptron": 0,
    "face_detection_short_range": 164,
    "face_detection_full_range_sparse": 204,
    "face_landmark": 210,
    "hand_landmark_lite": 167,
    "pose_detection": 139,
}
"""The least number of operators of a model that CpuAcc runs or converts while loading.

Dense layers of INT8 weights between FP32 activations it leaves to TFLite.
"""

LEFT: Mapping[str, str] = {"comparison": "GREATER", "unsupported": "CUMSUM"}
"""The one operator of a model that must stay in TFLite."""

_PROBE = ROOT / "wheelhouse" / "guest" / "probe_armnn.py"
_FP16_OF = "segmentation-float32"
_MIXED = "face_detection_full_range_sparse"
_TOGETHER = ("mobilenet-0.25-96-int8", "detector-float32")


def verification(delegate: Path, runtime: Path, engine: str) -> Step:
    """The folder with a delegate wheel's record, of its trials beside a runtime's wheel."""
    on = products.systems_of(delegate)
    trials = [trial for system in on for trial in trials_on(system, delegate, runtime, engine)]
    return session.verification(delegate, trials, engine, runtime)


def trials_on(system: System, delegate: Path, runtime: Path, engine: str) -> Iterator[Step]:
    """The trials of a delegate's wheel on one system, as all boards."""
    wheels = {"runtime": runtime, "delegate": delegate}
    env = session.installation(wheels, system, engine, delegate.stem)
    archives = {name: pins.shared(name) for name in runtime_trials.ARCHIVES}
    told = {"delegate": delegate.name, "runtime": runtime.name}
    for board in BOARDS:
        yield session.trial(
            _try, system, board, engine, delegate.stem, {"env": env, **archives}, told
        )


def _try(inputs: Inputs, folder: Path) -> None:
    told, needs = inputs.parameters, inputs.needs
    system, board = systems.system(told["system"]), systems.board(told["board"])
    archives = {name: needs[name] for name in runtime_trials.ARCHIVES}
    tried = exam(Path(told["delegate"]), Path(told["runtime"]), system, board, archives)
    session.write_trial(folder, tried.run(inputs.store, needs.get("tree"), needs["env"] / "env"))


def exam(
    delegate: Path, runtime: Path, system: System, board: Board, archives: Mapping[str, Path]
) -> Exam:
    """How the delegate is tried, beside the system's own NumPy."""
    tried = models_of(runtime, archives)
    return Exam(
        system=system,
        board=board,
        numpy="own",
        probes=(runtime_trials.PROBE, _PROBE),
        models=tried,
        plan=_plan(tried),
        judge=lambda seen: judge(delegate, board, tried, seen),
    )


def models_of(runtime: Path, archives: Mapping[str, Path]) -> tuple[Model, ...]:
    """All models that the runtime takes, but for signatures, which delegates do not touch."""
    shared = [model for model in runtime_trials.models_of(runtime, archives) if not model.signature]
    return (*armnn.generated(), *shared)


def _plan(tried: Sequence[Model]) -> dict[str, Any]:
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
            *(entry(model.name, model.name, {}) for model in tried),
            entry("fp16", _FP16_OF, {"reduce_fp32_to_fp16": True}),
            entry("mixed", _MIXED, {}, default=True),
            entry("xnnpack", _FP16_OF, None, default=True),
        ],
        "together": list(_TOGETHER),
    }


def judge(delegate: Path, board: Board, tried: Sequence[Model], seen: Seen) -> Iterator[Check]:
    """What the probe's report and outputs mean: one check per thing that a user relies on."""
    yield seen.imported
    if not seen.imported.passed:
        return
    report, done, outputs = seen.report, seen.done, seen.outputs
    _, built, _, _ = parse_wheel_filename(delegate.name)
    yield Check("__version__", report["version"] == str(built), report["version"])
    runs = report["runs"]
    by_name = {model.name: model for model in tried}
    for model in tried:
        yield from _judge_run(model, model.name, model.arithmetic, runs[model.name], outputs)
    reduces = board.name in WITH_FP16
    model = by_name[_FP16_OF]
    yield from _judge_run(model, "fp16", FP16 if reduces else "float32", runs["fp16"], outputs)
    halved = runs["fp16"].get("in_fp16")
    yield Check("FP16 is used where the processor has it", halved is reduces, str(halved))
    yield from _judge_run(by_name[_MIXED], "mixed", "float32", runs["mixed"], outputs)
    yield _compared(model, "xnnpack", "float32", outputs)
    beside = runtime_trials.DELEGATE_LINE in done.stderr
    yield Check("XNNPACK works in the same process", beside, done.stderr[-400:])
    chosen = "backends CpuAcc, chosen by the model" in done.stderr
    yield Check("the choice of backends is logged", chosen, done.stderr[-400:])
    worst = report["together"].get("worst", {})
    equal = set(worst) == {*_TOGETHER} and not any(worst.values())
    yield Check("two interpreters run in two threads", equal, str(report["together"]))
    yield from _judge_refusals(report["refusals"])


def _judge_refusals(seen: dict[str, Any]) -> Iterator[Check]:
    for name, kind, names in (
        ("option", "TypeError", "num_threads"),
        ("backend", "ValueError", "CpuAcc, CpuRef"),
        ("library's option", "ValueError", "no-such-option"),
    ):
        error = (seen[name] or {}).get("error") or {}
        right = error.get("type") == kind and names in error.get("message", "")
        yield Check(f"an unknown {name} is refused", right, str(error))


def _judge_run(
    model: Model, name: str, arithmetic: str, entry: dict[str, Any], outputs: Path
) -> Iterator[Check]:
    yield Check(f"{name} runs", entry["error"] is None, str(entry["error"]))
    if entry["error"] is not None:
        return
    inside = entry["delegation"]["inside"]
    wanted = TAKEN.get(name, 1)
    yield Check(f"{name} is delegated", len(inside) >= wanted, str(entry["delegation"]))
    if left := LEFT.get(name):
        outside = entry["delegation"]["outside"]
        yield Check(f"{name} leaves {left} to TFLite", outside == [left], str(outside))
    workloads = entry["workloads"]
    accelerated = (bool(workloads) or not wanted) and not any(
        each.startswith("Ref") for each in workloads
    )
    yield Check(f"{name} is run by CpuAcc", accelerated, str(workloads))
    yield _compared(model, name, arithmetic, outputs)


def _compared(model: Model, name: str, arithmetic: str, outputs: Path) -> Check:
    """With TFLite's built-in kernels, which run what Arm NN leaves."""
    return session.compared(
        f"{name} agrees with TFLite",
        model,
        outputs / f"{name}.npz",
        TOLERANCES[arithmetic],
        delegated=False,
    )
