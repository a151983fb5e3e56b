"""The judges of the wheels without compiled code: a real report passes, each fault fails.

``reports/bench-4.json`` holds what probe_bench.py reported on Raspberry Pi OS 12, emulated as a
Raspberry Pi 4, beside TFLite 2.14.1; ``reports/examples-4.json`` what probe_examples.py did and
``reports/models-4.json`` what probe_models.py did. The models' outputs are computed anew by the
reference. ``python -m tests.emulated.reports`` stores the reports anew.
"""

from __future__ import annotations

import copy
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wheelhouse import record
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.machines.qemu import Emulated
from wheelhouse.package import models_wheel, products
from wheelhouse.record import Trial
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems
from wheelhouse.verify import bench_trials, examples_trials, models_trials, reference
from wheelhouse.verify.models_trials import LATER, TOLERANCES, Packed
from wheelhouse.verify.session import OUTPUTS, ProbeResult

REPORTS = Path(__file__).with_name("reports")
ERROR = {"type": "RuntimeError", "message": "It failed."}

Report = dict[str, Any]
Fault = Callable[[Report], object]
Judge = Callable[[Report], set[str]]
"""The names of the checks that a report fails."""


def stored(name: str) -> Report:
    content: Report = json.loads((REPORTS / f"{name}.json").read_text())
    return dict(content["report"])


def put(value: object, *keys: str | int) -> Fault:
    """A fault that changes one field of the report."""

    def change(report: Report) -> None:
        part: Any = report
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value

    return change


def emptied(report: Report) -> None:
    report.clear()


def without_import(report: Report) -> None:
    report.clear()
    report["error"] = ERROR


# The judge of tflite-bench.

WHEEL = Path("tflite_bench-1.0-py3-none-any.whl")
LIBRARY = "_pywrap_tensorflow_interpreter_wrapper.so"
TOLD = ("runs", "installed", "told")
FILE = ("runs", "file", "told")
TESTED = bench_trials.models_of()


@pytest.fixture
def every() -> set[str]:
    """The names of all checks that were made."""
    return set()


@pytest.fixture
def bench(tmp_path: Path, every: set[str]) -> Judge:
    """Judge a report beside a wheel of a runtime with another library."""
    runtime = tmp_path / "tflite_runtime-2.14.1-cp37-abi3-manylinux_2_17_aarch64.whl"
    with zipfile.ZipFile(runtime, "w") as archive:
        archive.writestr(f"tflite_runtime/{LIBRARY}", b"library")
    digest = hashlib.sha256(b"library").hexdigest()

    def judge(report: Report) -> set[str]:
        for library in (
            report.get("runs", {}).get("installed", {}).get("told", {}).get("runtimes", ())
        ):
            if library["files"].keys() == {LIBRARY}:
                library["files"][LIBRARY] = digest
        seen = ProbeResult(report, Emulated(0 if report else 1, "", "It ended."), tmp_path)
        system = systems.system("bookworm")
        checks = [*bench_trials.judge(WHEEL, runtime, system, TESTED, seen)]
        every.update(check.name for check in checks)
        return {check.name for check in checks if not check.passed}

    return judge


def bench_faults() -> Iterator[tuple[str, Fault, set[str]]]:
    yield "crash", emptied, {"import"}
    yield "no import", without_import, {"import"}
    yield "machine", put("x86_64", "system", "machine"), {"machine"}
    yield "Python", put("3.9.2", "system", "python"), {"Python"}
    installed = {"it measures what is installed"}
    yield "failed", put({"error": ERROR}, "runs", "installed"), installed
    yield "killed", put({"signal": 11}, "runs", "installed"), installed
    yield "status", put(1, "runs", "installed", "status"), installed
    yield "traceback", put("Traceback (most", "runs", "installed", "printed"), installed
    yield "version", put("0.9", "runs", "installed", "version"), {"__version__"}
    fields = {"the record has its fields"}
    yield "schema", put(2, *TOLD, "schema"), fields
    yield "unfinished", put(None, *TOLD, "finished"), fields
    yield "another field", put(1, *TOLD, "more"), fields
    runtime = {"the runtime is known by its files"}
    yield "other runtime", put("tflite-runtime 2.14.0", *TOLD, "runtimes", 0, "name"), runtime
    yield "no library", put({}, *TOLD, "runtimes", 0, "files"), runtime
    content = {"the models are known by their content"}
    yield "other model", put("0" * 64, *TOLD, "models", 0, "sha256"), content
    rows = [(model, delegate) for model in TESTED for delegate in bench_trials.DELEGATES]
    for number, (model, delegate) in enumerate(rows):
        row, name = (*TOLD, "results", number), f"{model.name} with {delegate}"
        yield f"{name}: absent", put("other", *row, "model"), {f"{name} is measured"}
        count = 0 if delegate == "xnnpack" else 1
        yield f"{name}: other", put(count, *row, "delegates"), {f"{name} runs as it is called"}
        far = {"agrees": False} if delegate == "none" else {"agrees": True}
        yield f"{name}: far", put(far, *row, "agreement"), {f"{name} is compared"}
        figures = {f"{name} has figures"}
        times = (*row, "measured", "times")
        yield f"{name}: order", put(1e9, *times, "p5_ms"), figures
        yield f"{name}: nothing", put(0, *times, "min_ms"), figures
        yield f"{name}: FPS", put(1e9, *times, "fps"), figures
        yield f"{name}: runs", put(1, *times, "runs"), figures
        for key in ("load_ms", "first_ms", "peak_bytes"):
            yield f"{name}: {key}", put(0, *row, "measured", key), figures
    file = {"the wheel runs as a single file"}
    yield "file: failed", put({"error": ERROR}, "runs", "file"), file
    yield "file: good", put(0, "runs", "file", "status"), file
    yield "file: installed", put("/home/pi/env/tflite_bench", "runs", "file", "package"), file
    yield "file: traceback", put("Traceback (most", "runs", "file", "printed"), file
    yield "file: nothing", put([], *FILE, "results"), {"the file measures a model"}
    advised = {"a broken file is told with advice"}
    yield "file: no advice", put("", *FILE, "failures", 0, "advice"), advised
    yield "file: no failure", put([], *FILE, "failures"), advised
    yield "file: silent", put("", "runs", "file", "printed"), advised


BENCH_FAULTS = list(bench_faults())


def test_a_real_report_of_the_benchmark_passes_and_each_check_has_a_fault(
    bench: Judge, every: set[str]
) -> None:
    assert bench(stored("bench-4")) == set()
    assert every == set().union(*(checks for _, _, checks in BENCH_FAULTS))


@pytest.mark.parametrize(
    ("fault", "checks"), [each[1:] for each in BENCH_FAULTS], ids=[e[0] for e in BENCH_FAULTS]
)
def test_a_fault_of_the_benchmark_fails_its_own_check(
    bench: Judge, fault: Fault, checks: set[str]
) -> None:
    report = stored("bench-4")
    fault(report)
    assert bench(report) == checks


# The judge of tflite-examples.

EXAMPLES = "tflite_examples-1.0-py3-none-any.whl"
WRONG_ANSWERS: dict[str, tuple[str, ...]] = {
    "faces": ("face 0.92 at 280,82 to 374,176\n", "person 0.92 at 180,82 to 274,176\n", ""),
    "no face": ("face 0.92 at 180,82 to 274,176\n",),
    "classify": ("cup 0.88\nespresso 0.05\n",),
    "segment": ("dog: 46.5% of the picture\n",),
    "pose": ("person 0.99, nose at 217,223, 26 of 33 points visible\n", "no person\n"),
    "no hand": ("left hand 0.90, wrist at 10,10\n",),
    "hand": ("left hand 0.98, wrist at 241,610\n", "hand.png: no hand found\n"),
    "enrol": ("unknown 0.00\n",),
    "recognise": ("unknown 0.60\n", "Eileen 0.92\nunknown 0.10\n"),
    "stranger": ("Eileen 0.75\n",),
    "anti-spoof": ("fake: no picture of a face 0.60, live 1.00\n",),
    "a screen": ("screen.png: no face found\n",),
    "noise": ("okay_nabu 0.90 at 1.0 s\n",),
    "detect": ("person 0.73 at 15,14 to 364,200\n",),
    **{
        f"expression {each}": ("happy 0.45\n", "sad 1.00\n", "happy 1.00\nhappy 1.00\n")
        for each in ("fp32", "int8")
    },
    **{
        f"age-gender {each}": ("male 0.78, 33 years\n", "female 0.78, 25 years\n")
        for each in ("fp32", "int8")
    },
    **{
        f"listen {word}": ("hey_jarvis 0.97 at 0.8 s\n", f"{word} 0.97 at 2.0 s\n")
        for word in ("okay_nabu", "alexa")
    },
}
"""By run, what it might print that is wrong."""

SCREEN, MASK = "a screen seems less real", "the mask covers the person"


@pytest.fixture
def examples(tmp_path: Path, every: set[str]) -> Judge:
    def judge(report: Report) -> set[str]:
        seen = ProbeResult(report, Emulated(0 if report else 1, "", "It ended."), tmp_path)
        checks = [*examples_trials.judge(EXAMPLES, systems.system("bookworm"), seen)]
        every.update(check.name for check in checks)
        trial = Trial("Raspberry Pi OS 12", "Raspberry Pi 4", "1.24.2 (own)", tuple(checks))
        record.write_trial(trial, tmp_path / "trial.json")  # as each trial ends
        return {check.name for check in checks if not check.passed}

    return judge


def examples_faults() -> Iterator[tuple[str, Fault, set[str]]]:
    yield "crash", emptied, {"import"}
    yield "no import", without_import, {"import"}
    yield "Python", put("3.9.2", "system", "python"), {"Python"}
    yield "version", put("0.9", "version"), {"__version__"}
    own = {"NumPy and Pillow are the system's"}
    for name in ("numpy", "PIL"):
        yield f"own {name}", put(f"/home/pi/env/{name}/__init__.py", "folders", name), own
    lost = {"segment": {MASK}, "anti-spoof": {SCREEN}, "a screen": {SCREEN}}
    for name, answers in WRONG_ANSWERS.items():
        ended = {f"{name}: it ends as it should"}
        more = lost.get(name, set())
        yield f"{name}: failed", put({"error": ERROR}, "runs", name), ended | more
        yield f"{name}: killed", put({"signal": 11}, "runs", name), ended | more
        yield f"{name}: status", put(2, "runs", name, "status"), ended
        for answer in answers:
            wrong = {f"{name}: the answer"} | (more if name == "a screen" else set())
            yield f"{name}: {answer.strip()}", put(answer, "runs", name, "printed"), wrong
    real = "real: no picture of a face 0.99, live 1.00\n"
    yield "a screen: real", put(real, "runs", "a screen", "printed"), {SCREEN}
    yield "mask: none", put(["0" * 64] * 64, "runs", "segment", "drawn"), {MASK}
    yield "mask: all", put(["1" * 64] * 64, "runs", "segment", "drawn"), {MASK}
    yield "mask: small", put(["1" * 32] * 32, "runs", "segment", "drawn"), {MASK}
    broken = {"a broken picture is one line"}
    line = "error: Cannot read broken.jpg: it is no picture, or a broken one.\n"
    for name, errors in {
        "silent": "",
        "traceback": f"Traceback (most recent call last):\n{line}",
        "two lines": 2 * line,
        "no name": "error: Cannot read it.\n",
    }.items():
        yield f"broken: {name}", put(errors, "command", "errors"), broken
    yield "broken: good", put(0, "command", "status"), broken


EXAMPLES_FAULTS = list(examples_faults())


def test_a_real_report_of_the_examples_passes_and_each_check_has_a_fault(
    examples: Judge, every: set[str]
) -> None:
    assert examples(stored("examples-4")) == set()
    assert every == set().union(*(checks for _, _, checks in EXAMPLES_FAULTS))


@pytest.mark.parametrize(
    ("fault", "checks"), [each[1:] for each in EXAMPLES_FAULTS], ids=[e[0] for e in EXAMPLES_FAULTS]
)
def test_a_fault_of_the_examples_fails_its_own_check(
    examples: Judge, fault: Fault, checks: set[str]
) -> None:
    report = stored("examples-4")
    fault(report)
    assert examples(report) == checks


# The judge of models.

SOME = ("emotion-fp32", "emotion-int8", "okay_nabu-int8", "selfie_segmentation-fp32")
"""Some of each kind: they are enough to judge the judge."""


@pytest.fixture(scope="module")
def packed() -> tuple[Packed, ...]:
    fetcher = Fetcher(Store.default())
    (product, _) = models_wheel.wheels()
    wheel = products.wheel_in(get_or_make(product.step, fetcher))
    archives = {models_trials.ARCHIVE: fetcher.file(pins.shared(models_trials.ARCHIVE))}
    known = models_trials.packed(wheel, models.portrait(archives))
    return tuple(each for each in known if each.label in SOME)


@pytest.fixture(scope="module")
def computed(packed: tuple[Packed, ...]) -> dict[tuple[str, bool], list[Any]]:
    """The outputs of each model, with XNNPACK and without."""
    return {
        (each.label, delegated): reference.outputs(
            each.model.content, each.model.inputs, delegated=delegated
        )
        for each in packed
        if each.name not in LATER
        for delegated in (True, False)
    }


@pytest.fixture
def report(packed: tuple[Packed, ...]) -> Report:
    """The stored report, of some models."""
    found = copy.deepcopy(stored("models-4"))
    labels = {each.entry["outputs"] for each in packed}
    for part in ("runs", "files"):
        found[part] = {key: value for key, value in found[part].items() if key in labels}
    found["names"] = sorted({each.name for each in packed})
    return found


@pytest.fixture
def judge(
    packed: tuple[Packed, ...],
    computed: dict[tuple[str, bool], list[Any]],
    tmp_path: Path,
) -> Callable[..., set[str]]:
    """Judge a report; ``moved`` names a model whose first output is off by a part of its tolerance.

    The outputs are those of the kernels that the report tells.
    """

    def run(report: Report, moved: str = "", part: float = 0.0) -> set[str]:
        for each in packed:
            told = report.get("runs", {}).get(each.entry["outputs"], {})
            if each.name in LATER or told.get("error", told) is not None:
                continue
            values = list(computed[each.label, bool(told["delegates"])])
            if each.label == moved:
                values[0] = shifted(values[0], each, part)
            arrays = {str(number): array for number, array in enumerate(values)}
            np.savez(tmp_path / f"{each.label}.npz", **arrays)
        seen = ProbeResult(report, Emulated(0 if report else 1, "", "It ended."), tmp_path)
        return {check.name for check in models_trials.judge(packed, seen) if not check.passed}

    return run


def shifted(values: Any, each: Packed, part: float) -> Any:
    """An output whose least value is moved by a part of the tolerance."""
    tolerance = TOLERANCES[each.model.arithmetic]
    first = values.astype(np.float64)
    moved = part * (tolerance.absolute + tolerance.relative * np.abs(first).max())
    first.flat[first.argmin()] += moved
    return first.astype(values.dtype)


def models_faults() -> Iterator[tuple[str, Fault, set[str]]]:
    yield "crash", emptied, {"import"}
    yield "no import", without_import, {"import"}
    yield "names", put(["emotion"], "names"), {"the models are listed"}
    for label in SOME:
        key = f"{OUTPUTS}/{label}.npz"
        yield f"{label}: file", put("0" * 64, "files", key), {"the files are the wheel's"}
        if label.partition("-")[0] in LATER:
            refused = {f"{label} is refused for an operator"}
            yield f"{label}: taken", put({"error": None, "delegates": 1}, "runs", key), refused
            yield f"{label}: odd", put({"error": ERROR}, "runs", key), refused
            yield f"{label}: killed", put({"signal": 11}, "runs", key), refused
            continue
        yield f"{label}: failed", put({"error": ERROR}, "runs", key), {f"{label} runs"}
        yield f"{label}: killed", put({"signal": 11}, "runs", key), {f"{label} runs"}
        alone = {f"{label} uses XNNPACK"}
        yield f"{label}: other", put(0, "runs", key, "delegates"), alone


MODELS_FAULTS = list(models_faults())


def test_a_real_report_of_models_passes(report: Report, judge: Callable[..., set[str]]) -> None:
    assert judge(report) == set()


@pytest.mark.parametrize(
    ("fault", "checks"), [each[1:] for each in MODELS_FAULTS], ids=[e[0] for e in MODELS_FAULTS]
)
def test_a_fault_of_models_fails_its_own_check(
    report: Report, judge: Callable[..., set[str]], fault: Fault, checks: set[str]
) -> None:
    fault(report)
    assert judge(report) == checks


@pytest.mark.parametrize("label", [each for each in SOME if each.partition("-")[0] not in LATER])
def test_an_output_may_be_off_by_less_than_its_tolerance_alone(
    report: Report, judge: Callable[..., set[str]], label: str
) -> None:
    assert judge(report, label, 0.5) == set()
    assert judge(report, label, 2) == {f"{label} agrees with the reference"}


def test_a_model_without_outputs_is_told(
    report: Report, packed: tuple[Packed, ...], tmp_path: Path
) -> None:
    seen = ProbeResult(report, Emulated(0, "", ""), tmp_path)
    failed = [check.name for check in models_trials.judge(packed, seen) if not check.passed]
    assert failed == [
        f"{each.label} agrees with the reference" for each in packed if each.name not in LATER
    ]
