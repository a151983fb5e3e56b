"""Verification's judges, judged: a real report passes, and each fault fails its own check alone.

``reports/`` holds what probe.py and probe_armnn.py reported on Raspberry Pi OS 12, emulated as a
Raspberry Pi 4 or 5, with TFLite 2.14.1 and Arm NN 23.08, and what was on standard error. The
outputs are computed anew by the reference. A model that is not in a report is left out here.
``python -m tests.emulated.reports`` stores the reports anew.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wheelhouse.machines.qemu import Emulated
from wheelhouse.record import Check
from wheelhouse.specimens import models
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems
from wheelhouse.verify import delegate_trials, reference, runtime_trials
from wheelhouse.verify.reference import Tolerance
from wheelhouse.verify.session import ProbeResult

REPORTS = Path(__file__).with_name("reports")
PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
WHEEL = Path(f"tflite_runtime-2.14.1-cp37-abi3-{PLATFORM}.whl")
DELEGATE = Path(f"tflite_armnn_delegate-23.8-py3-none-{PLATFORM}.whl")
NUMPY = Path("numpy-1.24.2-cp311-cp311-manylinux2014_aarch64.whl")
ERROR = {"type": "RuntimeError", "message": "It failed."}


@dataclass
class Trial:
    """A stored report with its outputs, to be changed by a fault and judged.

    ``runs`` are the models of the runs and their outputs' tolerances, ``options`` what else the
    judge is told.
    """

    report: dict[str, Any]
    done: Emulated
    outputs: Path
    runs: dict[str, tuple[Model, Tolerance]]
    judge: Callable[..., Iterable[Check]]
    options: dict[str, Any]

    def checks(self) -> list[Check]:
        return list(
            self.judge(result=ProbeResult(self.report, self.done, self.outputs), **self.options)
        )

    def failed(self) -> set[str]:
        return {check.name for check in self.checks() if not check.passed}

    def path(self, run: str) -> Path:
        return self.outputs / f"{run}.npz"

    def save(self, run: str, values: list[Any]) -> None:
        keys = self.runs[run][0].outputs or map(str, range(len(values)))
        np.savez(self.path(run), **dict(zip(keys, values, strict=True)))

    def compute(self, run: str, delegated: bool) -> None:
        self.save(run, computed(self.runs[run][0], delegated))

    def shift(self, run: str, part: float) -> None:
        """Move the first output's least value by a part of the tolerance.

        Where values are whole numbers, the part is rounded away from the whole tolerance.
        """
        model, tolerance = self.runs[run]
        with np.load(self.path(run)) as stored:
            values = [stored[key] for key in model.outputs or sorted(stored.files, key=int)]
        first = values[0].astype(np.float64)
        moved = part * (tolerance.absolute + tolerance.relative * np.abs(first).max())
        if not np.issubdtype(values[0].dtype, np.floating):
            moved = np.ceil(moved) if part > 1 else np.floor(moved)
        first.flat[first.argmin()] += moved
        values[0] = first.astype(values[0].dtype)
        self.save(run, values)


Fault = Callable[[Trial], object]

_computed: dict[tuple[str, bool], list[Any]] = {}


def computed(model: Model, delegated: bool) -> list[Any]:
    key = (model.name, delegated)
    if key not in _computed:
        _computed[key] = reference.outputs(model.content, model.inputs, delegated=delegated)
    return _computed[key]


def stored(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text())
    return content


def put(value: object, *keys: str) -> Fault:
    """A fault that changes one field of the report."""

    def change(trial: Trial) -> None:
        part = trial.report
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value

    return change


def off(run: str) -> Fault:
    return lambda trial: trial.shift(run, 2)


def broken(run: str) -> Fault:
    """A run that failed has an error and no outputs."""

    def change(trial: Trial) -> None:
        trial.report["runs"][run] = {"error": ERROR}
        trial.path(run).unlink()

    return change


def said(line: str) -> Fault:
    """A line that is missing on standard error."""

    def change(trial: Trial) -> None:
        trial.done = Emulated(0, "", trial.done.stderr.replace(line, ""))

    return change


def crashed(trial: Trial) -> None:
    trial.report, trial.done = {}, Emulated(139, "", "")


def without_import(trial: Trial) -> None:
    trial.report = {"error": ERROR}


def fresh(trial: Trial, folder: Path) -> Trial:
    """A copy to put a fault into."""
    return replace(
        trial,
        report=copy.deepcopy(trial.report),
        outputs=shutil.copytree(trial.outputs, folder / "outputs"),
        options=dict(trial.options),
    )


# The runtime's judge.

RUNTIME = stored("runtime-4")["report"]
FIRST = "mobilenet-0.25-96-float32"
RUNS = [name for name in RUNTIME["runs"] if not name.startswith(f"{FIRST}-")]


@pytest.fixture(scope="module")
def passing(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Trial:
    tested = [model for model in runtime_trials.models_of(WHEEL, archives) if model.name in RUNS]
    named = {model.name: model for model in tested}
    named |= {f"{FIRST}-{kind}": named[FIRST] for kind in ("threads", "bytes")}
    content = stored("runtime-4")
    trial = Trial(
        content["report"],
        Emulated(0, "", content["stderr"]),
        tmp_path_factory.mktemp("runtime"),
        {name: (each, reference.TOLERANCES[each.arithmetic]) for name, each in named.items()},
        runtime_trials.judge,
        {
            "wheel": WHEEL,
            "system": systems.system("bookworm"),
            "numpy": NUMPY,
            "tested": tested,
            "size": models.portrait(archives).size,
        },
    )
    for name, entry in trial.report["runs"].items():
        trial.compute(name, bool(entry["delegation"]["delegates"]))
    return trial


@pytest.fixture
def runtime(passing: Trial, tmp_path: Path) -> Trial:
    return fresh(passing, tmp_path)


def built_in(run: str) -> Fault:
    """A run without XNNPACK, whose outputs are those of TFLite's own kernels."""

    def change(trial: Trial) -> None:
        trial.report["runs"][run]["delegation"]["delegates"] = 0
        trial.compute(run, delegated=False)

    return change


def another_photograph(trial: Trial) -> None:
    trial.options["size"] = (10_000, 512)


def runtime_faults() -> Iterator[tuple[str, Fault, set[str]]]:
    yield "crash", crashed, {"import"}
    yield "no import", without_import, {"import"}
    yield "version", put("2.14.0", "system", "runtime"), {"__version__"}
    yield "tag", put("v2.14.0", "system", "git"), {"__git_version__"}
    yield "machine", put("x86_64", "system", "machine"), {"machine"}
    yield "Python", put("3.9.2", "system", "python"), {"Python"}
    yield "NumPy", put("1.19.5", "system", "numpy"), {"NumPy"}
    yield "silent XNNPACK", said(runtime_trials.DELEGATE_LINE), {"XNNPACK is announced"}
    threads = {f"{runtime_trials.THREADS} threads work"}
    yield "one thread", put(0, "runs", f"{FIRST}-threads", "threads_started"), threads
    yield "uncalled thread", put(1, "runs", FIRST, "threads_started"), threads
    for name, ways in RUNTIME["bad"].items():
        for way in ways:
            check = {f"the bad file {name} is refused ({way})"}
            yield f"{name} accepted ({way})", put({"error": None}, "bad", name, way), check
            yield f"{name} kills ({way})", put({"signal": 11}, "bad", name, way), check
            kind = {"error": {"type": "SystemError", "message": ""}}
            yield f"{name} odd ({way})", put(kind, "bad", name, way), check
    face = {"the face in the photograph is found"}
    yield "no face", another_photograph, face
    signature = {"arithmetic has its signature"}
    yield "no signature", put({}, "runs", "arithmetic", "signatures"), signature
    for name in RUNTIME["runs"]:
        yield f"{name} off", off(name), {f"{name} agrees with the reference"}
        more = {FIRST: threads, f"{FIRST}-threads": threads}
        more["face_detection_short_range"] = face
        yield f"{name} broken", broken(name), {f"{name} runs", *more.get(name, ())}
    for name in RUNS:
        view = {f"{name} has live tensor views"}
        yield f"{name} dead view", put(False, "runs", name, "views", "written_through"), view
        yield f"{name} free view", put(None, "runs", name, "views", "while_held"), view
        if name != "perceptron":  # 2.14's XNNPACK takes no dynamic-range model
            yield f"{name} alone", built_in(name), {f"{name} uses XNNPACK as built"}


RUNTIME_FAULTS = list(runtime_faults())


def test_a_real_report_of_the_runtime_passes(runtime: Trial) -> None:
    assert runtime.failed() == set()
    for name in runtime.runs:
        runtime.shift(name, 0.5)
    assert runtime.failed() == set()


def test_the_second_build_of_a_release_is_judged_by_that_release(runtime: Trial) -> None:
    runtime.options["wheel"] = Path(WHEEL.name.replace("2.14.1", "2.14.1.post1"))
    assert runtime.failed() == {"__version__"}
    put("2.14.1.post1", "system", "runtime")(runtime)
    assert runtime.failed() == set()


@pytest.mark.parametrize(
    ("fault", "checks"), [each[1:] for each in RUNTIME_FAULTS], ids=[e[0] for e in RUNTIME_FAULTS]
)
def test_a_fault_of_the_runtime_fails_its_own_check(
    runtime: Trial, fault: Fault, checks: set[str]
) -> None:
    fault(runtime)
    assert runtime.failed() == checks


def test_every_check_of_the_runtime_has_a_fault(runtime: Trial) -> None:
    names = {check.name for check in runtime.checks()}
    assert names == set().union(*(checks for _, _, checks in RUNTIME_FAULTS))


# The delegate's judge.

BOARDS = {"4": "Raspberry Pi 4", "5": "Raspberry Pi 5"}
DELEGATED = stored("delegate-5")["report"]["runs"]
ALIASES = {
    "fp16": "segmentation-float32",
    "mixed": "face_detection_full_range_sparse",
    "xnnpack": "segmentation-float32",
}
CHOICE = "backends CpuAcc, chosen by the model"


@pytest.fixture(scope="module", params=BOARDS)
def accelerated(
    request: pytest.FixtureRequest,
    archives: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trial:
    board = BOARDS[request.param]
    tested = [
        model for model in delegate_trials.models_of(WHEEL, archives) if model.name in DELEGATED
    ]
    named = {model.name: model for model in tested}
    kinds = {model.name: model.arithmetic for model in tested}
    kinds |= dict.fromkeys(ALIASES, "float32")
    kinds["fp16"] = delegate_trials.FP16 if systems.board(board).has_fp16 else "float32"
    content = stored(f"delegate-{request.param}")
    trial = Trial(
        content["report"],
        Emulated(0, "", content["stderr"]),
        tmp_path_factory.mktemp("delegate"),
        {
            name: (named[ALIASES.get(name, name)], delegate_trials.TOLERANCES[kind])
            for name, kind in kinds.items()
        },
        delegate_trials.judge,
        {"delegate": DELEGATE, "board": systems.board(board), "tested": tested},
    )
    for name in trial.runs:
        trial.compute(name, delegated=False)
    return trial


@pytest.fixture
def delegate(accelerated: Trial, tmp_path: Path) -> Trial:
    return fresh(accelerated, tmp_path)


def other_arithmetic(trial: Trial) -> None:
    entry = trial.report["runs"]["fp16"]
    entry["in_fp16"] = not entry["in_fp16"]


def delegate_faults() -> Iterator[tuple[str, Fault, set[str]]]:
    yield "crash", crashed, {"import"}
    yield "no import", without_import, {"import"}
    yield "version", put("23.5", "version"), {"__version__"}
    yield "arithmetic", other_arithmetic, {"FP16 is used where the processor has it"}
    yield "no XNNPACK", said(runtime_trials.DELEGATE_LINE), {"XNNPACK works in the same process"}
    yield "silence", said(CHOICE), {"the choice of backends is logged"}
    threads = {"two interpreters run in two threads"}
    yield "deadlock", put({"error": ERROR}, "together"), threads
    yield "one thread", put({"error": None, "worst": {FIRST: 0.0}}, "together"), threads
    for name in ("mobilenet-0.25-96-int8", "detector-float32"):
        yield f"{name} differs", put(0.1, "together", "worst", name), threads
    for name in ("option", "backend", "library's option"):
        refused = {f"an unknown {name} is refused"}
        yield f"{name} taken", put(None, "refusals", name), refused
        yield f"{name} unnamed", put({"error": ERROR}, "refusals", name), refused
    for name, left in delegate_trials.LEFT_TO_TFLITE.items():
        stays = {f"{name} leaves {left} to TFLite"}
        yield f"{left} taken", put([], "runs", name, "delegation", "outside"), stays
    for name in DELEGATED:
        yield f"{name} off", off(name), {f"{name} agrees with TFLite"}
    for name, entry in DELEGATED.items():
        if name == "xnnpack":
            yield "xnnpack broken", broken(name), {"xnnpack agrees with TFLite"}
            continue
        fp16 = {"FP16 is used where the processor has it"} if name == "fp16" else set()
        yield f"{name} broken", broken(name), {f"{name} runs", *fp16}
        if name in delegate_trials.NOT_DELEGATED:
            stays = {f"{name} is left to TFLite"}
            yield f"{name} taken", put(["CONV_2D"], "runs", name, "delegation", "inside"), stays
            yield f"{name} seen", put(["NeonWorkload"], "runs", name, "workloads"), stays
            continue
        accelerated = {f"{name} is run by CpuAcc"}
        yield (
            f"{name} by Ref",
            put(["RefConvolution2dWorkload"], "runs", name, "workloads"),
            (accelerated),
        )
        few = entry["delegation"]["inside"][: delegate_trials.MIN_DELEGATED.get(name, 1) - 1]
        taken = {f"{name} is delegated"}
        yield f"{name} left", put(few, "runs", name, "delegation", "inside"), taken
        yield f"{name} unseen", put([], "runs", name, "workloads"), accelerated


DELEGATE_FAULTS = list(delegate_faults())


def test_a_real_report_of_the_delegate_passes(delegate: Trial) -> None:
    assert delegate.failed() == set()
    for name in delegate.runs:
        delegate.shift(name, 0.5)
    assert delegate.failed() == set()


@pytest.mark.parametrize(
    ("fault", "checks"), [each[1:] for each in DELEGATE_FAULTS], ids=[e[0] for e in DELEGATE_FAULTS]
)
def test_a_fault_of_the_delegate_fails_its_own_check(
    delegate: Trial, fault: Fault, checks: set[str]
) -> None:
    fault(delegate)
    assert delegate.failed() == checks


def test_every_check_of_the_delegate_has_a_fault(delegate: Trial) -> None:
    names = {check.name for check in delegate.checks()}
    assert names == set().union(*(checks for _, _, checks in DELEGATE_FAULTS))
