"""Verify a wheel of the runtime on every system and board that it is for.

1. The system's own pip installs it from local files into a virtual environment, once with the
   distribution's NumPy and once with the newest that pip would choose.
2. ``probe.py`` runs the models there, as on a Raspberry Pi 4 and on a Raspberry Pi 5, or on this
   PC and as on older ones.
3. :func:`judge` turns its report into checks; outputs are compared with the reference's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.record import Check
from wheelhouse.sources import pins
from wheelhouse.specimens import faces, models
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems, versions
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import session
from wheelhouse.verify.session import ProbeResult, TrialSetup

DELEGATE_LINE = "Created TensorFlow Lite XNNPACK delegate for CPU."
"""What TFLite writes to standard error when it makes its default delegate."""

THREADS = 4
"""How many threads the run with several threads asks for."""
XNNPACK_SINCE = {"float32": "2.14", "int8": "2.14", "uint8": "2.14", "dynamic": "2.22"}
"""For each arithmetic the oldest TFLite release here whose XNNPACK must run such models."""

ARCHIVES = ("mediapipe", "scikit-image")
"""The components whose wheels hold the models and pictures."""

PROBE = ROOT / "wheelhouse" / "guest" / "probe.py"
_FACES = "face_detection_short_range"


def trials_on(
    wheel: Path, _: Sequence[Path], system: System, boards: Sequence[str], engine: str
) -> Iterator[Step]:
    """The trials of a wheel on one system: beside both NumPys, as all boards that run them."""
    archives = {name: pins.shared(name) for name in ARCHIVES}
    for numpy in ("own", "newest"):
        fitting = [board for board in boards if numpy in systems.board(board).numpys]
        if not fitting:
            continue
        label, more, told = f"{wheel.stem}-{numpy}", {}, {"wheel": wheel.name, "numpy": numpy}
        if numpy == "newest":
            more["numpy"] = pins.shared(f"numpy-{system.python}-{system.processor}")
            told["newest"] = more["numpy"].pin.artefacts[0].filename
        env = session.installation({"wheel": wheel, **more}, system, engine, label)
        for board in fitting:
            yield session.trial(_try, system, board, engine, label, {"env": env, **archives}, told)


def _try(inputs: Inputs, folder: Path) -> None:
    told, needs = inputs.parameters, inputs.needs
    numpy = Path(told["newest"]) if told["numpy"] == "newest" else None
    archives = {name: needs[name] for name in ARCHIVES}
    session.make_trial(inputs, folder, partial(trial_setup, Path(told["wheel"]), numpy, archives))


def trial_setup(
    wheel: Path, numpy: Path | None, archives: Mapping[str, Path], system: System, board: Board
) -> TrialSetup:
    """How the wheel is tried beside a NumPy, or the system's own if there is none."""
    tried = models_of(wheel, archives)
    size = models.portrait(archives).size
    return TrialSetup(
        system=system,
        board=board,
        numpy="newest" if numpy else "own",
        probes=[PROBE],
        models=tried,
        plan=_plan(tried),
        judge=lambda seen: judge(wheel, system, numpy, tried, size, seen),
        files={f"bad-{name}": content for name, content in models.bad_files().items()},
    )


def _plan(tested: Sequence[Model]) -> dict[str, Any]:
    """The plan of ``probe.py``."""

    def entry(model: Model, name: str, threads: int, from_bytes: bool) -> dict[str, Any]:
        return {
            "name": name,
            "model": f"{model.name}.tflite",
            "inputs": f"{model.name}.npz",
            "outputs": f"{session.OUTPUTS}/{name}.npz",
            "threads": threads,
            "from_bytes": from_bytes,
            "signature": model.signature,
        }

    first = tested[0]
    return {
        "module": "tflite_runtime.interpreter",
        "bad": {name: f"bad-{name}" for name in models.bad_files()},
        "runs": [
            *(entry(model, model.name, 1, False) for model in tested),
            entry(first, f"{first.name}-threads", THREADS, False),
            entry(first, f"{first.name}-bytes", 1, True),
        ],
    }


def judge(
    wheel: Path,
    system: System,
    numpy: Path | None,
    tested: Sequence[Model],
    size: tuple[int, int],
    result: ProbeResult,
) -> Iterator[Check]:
    """The checks of a probe's result, one for each promise to users.

    ``numpy`` is the wheel that was installed with ``wheel``, or None for the system's own NumPy;
    ``tested`` are the models that ran; ``size`` is the photograph's width and height in pixels.
    """
    yield result.imported
    if not result.imported.passed:
        return
    report, done, outputs = result.report, result.done, result.outputs
    yield from _judge_system(wheel, system, report["system"], numpy)
    xnnpack = "noxnnpack" not in wheel.name
    logged = DELEGATE_LINE in done.stderr
    yield Check("XNNPACK is announced", logged is xnnpack, done.stderr[-400:])
    for model in tested:
        must = xnnpack and _is_since(wheel, XNNPACK_SINCE[model.arithmetic])
        yield from _judge_run(model, report["runs"][model.name], xnnpack, must, outputs)
    first = tested[0]
    for kind in ("threads", "bytes"):
        name = f"{first.name}-{kind}"
        entry = report["runs"][name]
        yield Check(f"{name} runs", entry["error"] is None, str(entry["error"]))
        if entry["error"] is None:
            yield _compare(first, name, entry, outputs)
    threads = [report["runs"][name].get("threads_started") for name in _threaded(first)]
    started = threads[0] == 0 and (threads[1] or 0) >= THREADS - 1
    yield Check(f"{THREADS} threads work", started, f"{threads} started")
    for name, ways in report["bad"].items():
        for way, outcome in ways.items():
            refused = (outcome.get("error") or {}).get("type") in ("ValueError", "RuntimeError")
            yield Check(f"the bad file {name} is refused ({way})", refused, str(outcome))
    yield _face(size, outputs)


def _judge_system(
    wheel: Path, system: System, reported: dict[str, Any], numpy: Path | None
) -> Iterator[Check]:
    _, version, _, _ = parse_wheel_filename(wheel.name)
    for name, expected, actual in (
        ("__version__", str(version), reported["runtime"]),
        ("__git_version__", f"v{versions.upstream_release(version)}", reported["git"]),
        ("Python", system.python, reported["python"].rpartition(".")[0]),
    ):
        yield Check(name, actual == expected, str(actual))
    machines = (system.architecture.machine, *system.architecture.kernels)
    yield Check("machine", reported["machine"] in machines, reported["machine"])
    if numpy:
        _, newest, _, _ = parse_wheel_filename(numpy.name)
        yield Check("NumPy", reported["numpy"] == str(newest), reported["numpy"])


def _judge_run(
    model: Model, entry: dict[str, Any], xnnpack: bool, must: bool, outputs: Path
) -> Iterator[Check]:
    """The checks of one run; with ``must`` the release's XNNPACK is known to run such models."""
    yield Check(f"{model.name} runs", entry["error"] is None, str(entry["error"]))
    if entry["error"] is not None:
        return
    if must or not xnnpack:
        delegation = str(entry["delegation"])
        yield Check(f"{model.name} uses XNNPACK as built", _delegated(entry) is xnnpack, delegation)
    views = entry["views"]
    guarded = bool(views["written_through"]) and views["while_held"] is not None
    yield Check(f"{model.name} has live tensor views", guarded, str(views))
    if model.signature:
        signatures = entry["signatures"]
        has_it = model.signature in signatures
        yield Check(f"{model.name} has its signature", has_it, str(signatures))
    yield _compare(model, model.name, entry, outputs)


def _delegated(entry: dict[str, Any]) -> bool:
    """Whether XNNPACK ran any part of the model."""
    return bool(entry["delegation"]["delegates"])


def _compare(model: Model, name: str, entry: dict[str, Any], outputs: Path) -> Check:
    return session.compare_outputs(
        f"{name} agrees with the reference",
        model,
        outputs / f"{name}.npz",
        model.arithmetic,
        delegated=_delegated(entry),
    )


def _face(size: tuple[int, int], outputs: Path) -> Check:
    name, path = "the face in the photograph is found", outputs / f"{_FACES}.npz"
    if not path.is_file():
        return Check(name, False, "There are no outputs.")
    with np.load(path) as stored:
        face = faces.best(stored["0"], stored["1"], size)
    overlap = face.box.overlap(faces.BoundingBox(*models.catalogue().portrait.face))
    seen = f"overlap {overlap:.2f}, score {face.score:.2f}"
    return Check(name, overlap > 0.5 and face.score > 0.5, seen)


def _threaded(first: Model) -> tuple[str, str]:
    return first.name, f"{first.name}-threads"


def models_of(wheel: Path, archives: Mapping[str, Path]) -> tuple[Model, ...]:
    """The models that the wheel's release runs; ``archives`` are the files of :data:`ARCHIVES`."""
    known = _models(tuple(archives.items()))
    return tuple(model for model in known if runs(wheel, model))


def runs(wheel: Path, model: Model) -> bool:
    """Whether the wheel's TFLite release runs a model."""
    return _is_since(wheel, model.since)


def _is_since(wheel: Path, tflite: str) -> bool:
    """Whether the wheel is of that TFLite release or a later one."""
    _, version, _, _ = parse_wheel_filename(wheel.name)
    return version.release >= Version(tflite).release


@cache
def _models(archives: tuple[tuple[str, Path], ...]) -> tuple[Model, ...]:
    return (*models.generated(), *models.real_models(dict(archives)))
