"""Verify the wheel of tflite-bench on every system that it is for.

1. The system's own pip installs it together with the universal ``tflite_runtime`` wheel; NumPy is
   the distribution's.
2. ``probe_bench.py`` lets it measure two models with XNNPACK and without, and then, as the single
   file that the wheel is too, a model and a file that is none.
3. :func:`judge` turns what it recorded into checks.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import parse_wheel_filename

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.record import Check
from wheelhouse.specimens import models
from wheelhouse.specimens.models import Model
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import runtime_trials, session
from wheelhouse.verify.session import ProbeResult, TrialSetup

PROBE = ROOT / "wheelhouse" / "guest" / "probe_bench.py"

DELEGATES = ("xnnpack", "none")
NOISE = "noise.tflite"
"""A file that is no model."""

RUNS = 3
"""Inferences that count in each measurement, at least."""

FIELDS = frozenset(
    {
        *("schema", "program", "started", "finished", "interrupted", "settings", "machine"),
        *("python", "runtimes", "models", "results", "failures", "warnings"),
    }
)
"""The fields of the record, as the package's README describes it."""


def trials_on(
    wheel: Path, beside: Sequence[Path], system: System, boards: Sequence[str], engine: str
) -> Iterator[Step]:
    """The trials of the wheel beside a runtime's on one system, as all boards."""
    (runtime,) = beside
    wheels = {"runtime": runtime, "wheel": wheel}
    env = session.installation(wheels, system, engine, wheel.stem)
    told = {"wheel": wheel.name, "runtime": runtime.name}
    for board in boards:
        yield session.trial(_try, system, board, engine, wheel.stem, {"env": env, **wheels}, told)


def _try(inputs: Inputs, folder: Path) -> None:
    wheel, runtime = inputs.needs["wheel"], inputs.needs["runtime"]
    session.make_trial(inputs, folder, partial(trial_setup, wheel, runtime))


def trial_setup(wheel: Path, runtime: Path, system: System, board: Board) -> TrialSetup:
    """How the wheel is tried, beside the system's own NumPy."""
    tested = models_of()
    return TrialSetup(
        system=system,
        board=board,
        numpy="own",
        probes=(runtime_trials.PROBE, PROBE),
        models=tested,
        plan=_plan(wheel, tested),
        judge=lambda seen: judge(wheel, runtime, system, tested, seen),
        files={wheel.name: wheel.read_bytes(), NOISE: models.bad_files()["noise"]},
    )


def models_of() -> tuple[Model, ...]:
    """A model in INT8, and one of two operators."""
    known = {model.name: model for model in models.generated()}
    return known["mobilenet-0.25-96-int8"], known["arithmetic"]


def _plan(wheel: Path, tested: Sequence[Model]) -> dict[str, Any]:
    """The plan of ``probe_bench.py``."""
    names = [f"{model.name}.tflite" for model in tested]
    short = ("--threads", "1", "--seconds", "0.05", "--runs", str(RUNS), "--warm-up", "0.05")

    def entry(name: str, files: Sequence[str], delegates: Sequence[str]) -> dict[str, Any]:
        json = f"{session.OUTPUTS}/{name}.json"
        words = [*files, "--delegate", ",".join(delegates), *short, "--json", json]
        return {"words": words, "json": json, "wheel": None}

    return {
        "runs": {
            "installed": entry("installed", names, DELEGATES),
            "file": {**entry("file", [names[-1], NOISE], DELEGATES[:1]), "wheel": wheel.name},
        }
    }


def judge(
    wheel: Path, runtime: Path, system: System, tested: Sequence[Model], result: ProbeResult
) -> Iterator[Check]:
    """The checks of a probe's result, one for each promise to users.

    ``runtime`` is the wheel that was installed with it; ``tested`` are the models that it measured.
    """
    yield result.imported
    if not result.imported.passed:
        return
    seen = result.report["system"]
    for name, expected, actual in (
        ("machine", system.architecture.machine, seen["machine"]),
        ("Python", system.python, seen["python"].rpartition(".")[0]),
    ):
        yield Check(name, actual == expected, actual)
    runs = result.report["runs"]
    yield from _judge_installed(wheel, runtime, tested, runs["installed"])
    yield from _judge_file(wheel, tested[-1], runs["file"])


def _judge_installed(
    wheel: Path, runtime: Path, tested: Sequence[Model], run: Mapping[str, Any]
) -> Iterator[Check]:
    ended = _ended(run, 0)
    yield Check("it measures what is installed", ended, str(run)[-400:])
    if not ended:
        return
    _, version, *_ = parse_wheel_filename(wheel.name)
    yield Check("__version__", run["version"] == str(version), str(run["version"]))
    told = run["told"]
    whole = told.keys() == FIELDS and told["schema"] == 1 and told["finished"] is not None
    yield Check("the record has its fields", whole, str(sorted(told)))
    runtimes = [[each["name"], each["files"]] for each in told["runtimes"]]
    known = runtimes == [_known(runtime)]
    yield Check("the runtime is known by its files", known, str(runtimes))
    digests = {each["name"]: each["sha256"] for each in told["models"]}
    right = {f"{model.name}.tflite": _sha256(model.content) for model in tested}
    yield Check("the models are known by their content", digests == right, str(digests))
    rows = {(each["model"], each["delegate"]): each for each in told["results"]}
    for model in tested:
        for delegate in DELEGATES:
            yield from _judge_row(model, delegate, rows.get((f"{model.name}.tflite", delegate)))


def _judge_row(model: Model, delegate: str, row: Mapping[str, Any] | None) -> Iterator[Check]:
    """One contestant's result: it ran as it is called, agrees, and its figures are possible."""
    name = f"{model.name} with {delegate}"
    yield Check(f"{name} is measured", row is not None, str(row))
    if row is None:
        return
    taken = bool(row["delegates"]) is (delegate != "none")
    yield Check(f"{name} runs as it is called", taken, str(row["delegates"]))
    near = row["agreement"]
    agrees = near is None if delegate == DELEGATES[0] else bool(near and near["agrees"])
    yield Check(f"{name} is compared", agrees, str(near))
    yield Check(f"{name} has figures", _possible(row["measured"]), str(row["measured"]))


def _possible(measured: Mapping[str, Any]) -> bool:
    times = measured["times"]
    ordered = [times[key] for key in ("min_ms", "p5_ms", "median_ms", "p95_ms", "max_ms")]
    return (
        times["runs"] >= RUNS
        and ordered[0] > 0
        and ordered == sorted(ordered)
        and abs(times["fps"] * times["median_ms"] - 1000) < 1
        and measured["load_ms"] > 0
        and measured["first_ms"] > 0
        and measured["peak_bytes"] > 1e6
    )


def _judge_file(wheel: Path, model: Model, run: Mapping[str, Any]) -> Iterator[Check]:
    """The wheel ran without being installed; a broken file is one line for readers."""
    ended = _ended(run, 1) and run["package"].startswith(f"{wheel.name}/")
    yield Check("the wheel runs as a single file", ended, str(run)[-400:])
    if not ended:
        return
    told = run["told"]
    names = [each["model"] for each in told["results"]]
    yield Check("the file measures a model", names == [f"{model.name}.tflite"], str(names))
    failed = [(each["model"], bool(each["advice"])) for each in told["failures"]]
    advised = failed == [(NOISE, True)] and f"{NOISE}: " in run["printed"]
    yield Check("a broken file is told with advice", advised, str(told["failures"]))


def _ended(run: Mapping[str, Any], status: int) -> bool:
    """Whether a run ended with that status and without a traceback."""
    return (run.get("error", run), run.get("status")) == (None, status) and (
        "Traceback" not in run["printed"]
    )


def _known(runtime: Path) -> list[object]:
    """How a record names the runtime of a wheel: its distribution, and its libraries' digests."""
    project, version, *_ = parse_wheel_filename(runtime.name)
    with zipfile.ZipFile(runtime) as archive:
        libraries = [name for name in archive.namelist() if name.endswith(".so")]
        digests = {PurePosixPath(name).name: _sha256(archive.read(name)) for name in libraries}
    return [f"{project} {version}", digests]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
