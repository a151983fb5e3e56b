"""Try a finished wheel on every emulated Raspberry Pi that it is for.

1. The system's own pip installs it from local files into a virtual environment, once beside the
   distribution's NumPy and once with the newest that pip would choose.
2. ``probe.py`` runs the models there, as a Raspberry Pi 4 and as a Raspberry Pi 5.
3. What it reports is judged here, against what the independent reference computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from wheelhouse.common import console
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.package import products
from wheelhouse.record import Check, Trial
from wheelhouse.sources import pins
from wheelhouse.specimens import faces, models
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems, versions
from wheelhouse.targets.systems import System
from wheelhouse.verify import session
from wheelhouse.verify.session import Exam, Seen

BOARDS = ("Raspberry Pi 4", "Raspberry Pi 5")
DELEGATE_LINE = "Created TensorFlow Lite XNNPACK delegate for CPU."
THREADS = 4

DELEGATED = {"float32": "2.14", "int8": "2.14", "uint8": "2.14", "dynamic": "2.22"}
"""The oldest TFLite here whose XNNPACK must take a kind of arithmetic."""

ARCHIVES = ("mediapipe", "scikit-image")
"""The components that models and pictures come from."""

PROBE = ROOT / "wheelhouse" / "guest" / "probe.py"
_FACES = "face_detection_short_range"


def verification(wheel: Path, engine: str) -> Step:
    """The folder with a runtime wheel's record, for all its systems and both NumPys.

    Raises WheelhouseError if the wheel is for no target of the matrix; making it does if any check
    fails.
    """
    on = products.systems_of(wheel)
    names = (*ARCHIVES, *(numpy_of(system) for system in on))
    needs = {name: pins.shared(name) for name in names}
    return session.verification(wheel, _try, on, engine, needs)


def numpy_of(system: System) -> str:
    """The component that is the newest NumPy for a system."""
    return f"numpy-{system.python}"


def _try(inputs: Inputs, folder: Path) -> None:
    session.write_record(inputs, folder, _trials(inputs))


def _trials(inputs: Inputs) -> Iterator[Trial]:
    wheel = inputs.needs["wheel"]
    archives = {name: inputs.needs[name] for name in ARCHIVES}
    for system in map(systems.system, inputs.parameters["systems"]):
        console.say(f"Verifying {wheel.name} on {system.name}")
        for numpy in (None, inputs.needs[numpy_of(system)]):
            tried = exam(wheel, system, numpy, archives)
            yield from tried.run(inputs.store, inputs.needs.get(system.name))


def exam(wheel: Path, system: System, numpy: Path | None, archives: Mapping[str, Path]) -> Exam:
    """How the wheel is tried on a system beside a NumPy, or the system's own if there is none."""
    tried = models_of(wheel, archives)
    size = models.portrait(archives).size
    return Exam(
        system=system,
        wheels=[wheel, numpy] if numpy else [wheel],
        numpy="newest" if numpy else "own",
        boards=BOARDS,
        probes=[PROBE],
        models=tried,
        plan=lambda outputs: _plan(tried, outputs),
        judge=lambda _, seen: judge(wheel, system, numpy, tried, size, seen),
        files={f"bad-{name}": content for name, content in models.bad_files().items()},
    )


def _plan(tried: Sequence[Model], outputs: str) -> dict[str, Any]:
    def entry(model: Model, name: str, threads: int, from_bytes: bool) -> dict[str, Any]:
        return {
            "name": name,
            "model": f"{model.name}.tflite",
            "inputs": f"{model.name}.npz",
            "outputs": f"{outputs}/{name}.npz",
            "threads": threads,
            "from_bytes": from_bytes,
            "signature": model.signature,
        }

    first = tried[0]
    return {
        "module": "tflite_runtime.interpreter",
        "bad": {name: f"bad-{name}" for name in models.bad_files()},
        "runs": [
            *(entry(model, model.name, 1, False) for model in tried),
            entry(first, f"{first.name}-threads", THREADS, False),
            entry(first, f"{first.name}-bytes", 1, True),
        ],
    }


def judge(
    wheel: Path,
    system: System,
    numpy: Path | None,
    tried: Sequence[Model],
    size: tuple[int, int],
    seen: Seen,
) -> Iterator[Check]:
    """What the probe's report and outputs mean: one check per thing that a user relies on.

    ``numpy`` is the wheel that was installed beside, ``size`` the photograph's, in pixels.
    """
    yield seen.imported
    if not seen.imported.passed:
        return
    report, done, outputs = seen.report, seen.done, seen.outputs
    yield from _judge_system(wheel, system, report["system"], numpy)
    xnnpack = "noxnnpack" not in wheel.name
    said = DELEGATE_LINE in done.stderr
    yield Check("XNNPACK is announced", said is xnnpack, done.stderr[-400:])
    for model in tried:
        must = xnnpack and _reaches(wheel, DELEGATED[model.arithmetic])
        yield from _judge_run(model, report["runs"][model.name], xnnpack, must, outputs)
    first = tried[0]
    for kind in ("threads", "bytes"):
        name = f"{first.name}-{kind}"
        entry = report["runs"][name]
        yield Check(f"{name} runs", entry["error"] is None, str(entry["error"]))
        if entry["error"] is None:
            yield _compared(first, name, entry, outputs)
    threads = [report["runs"][name].get("threads_started") for name in _threaded(first)]
    started = threads[0] == 0 and (threads[1] or 0) >= THREADS - 1
    yield Check(f"{THREADS} threads work", started, f"{threads} started")
    for name, ways in report["bad"].items():
        for way, became in ways.items():
            refused = (became.get("error") or {}).get("type") in ("ValueError", "RuntimeError")
            yield Check(f"the bad file {name} is refused ({way})", refused, str(became))
    yield _face(size, outputs)


def _judge_system(
    wheel: Path, system: System, seen: dict[str, Any], numpy: Path | None
) -> Iterator[Check]:
    _, built, _, _ = parse_wheel_filename(wheel.name)
    for name, wanted, found in (
        ("__version__", str(built), seen["runtime"]),
        ("__git_version__", f"v{versions.release_of(built)}", seen["git"]),
        ("machine", system.architecture.machine, seen["machine"]),
        ("Python", system.python, seen["python"].rpartition(".")[0]),
    ):
        yield Check(name, found == wanted, str(found))
    if numpy:
        _, newest, _, _ = parse_wheel_filename(numpy.name)
        yield Check("NumPy", seen["numpy"] == str(newest), seen["numpy"])


def _judge_run(
    model: Model, entry: dict[str, Any], xnnpack: bool, must: bool, outputs: Path
) -> Iterator[Check]:
    yield Check(f"{model.name} runs", entry["error"] is None, str(entry["error"]))
    if entry["error"] is not None:
        return
    if must or not xnnpack:
        seen = str(entry["delegation"])
        yield Check(f"{model.name} uses XNNPACK as built", _delegated(entry) is xnnpack, seen)
    views = entry["views"]
    guarded = bool(views["written_through"]) and views["while_held"] is not None
    yield Check(f"{model.name} has live tensor views", guarded, str(views))
    if model.signature:
        named = entry["signatures"]
        yield Check(f"{model.name} has its signature", model.signature in named, str(named))
    yield _compared(model, model.name, entry, outputs)


def _delegated(entry: dict[str, Any]) -> bool:
    return bool(entry["delegation"]["delegates"])


def _compared(model: Model, name: str, entry: dict[str, Any], outputs: Path) -> Check:
    return session.compared(
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
        found = faces.best(stored["0"], stored["1"], size)
    overlap = found.box.overlap(faces.BoundingBox(*models.catalogue().portrait.face))
    seen = f"overlap {overlap:.2f}, score {found.score:.2f}"
    return Check(name, overlap > 0.5 and found.score > 0.5, seen)


def _threaded(first: Model) -> tuple[str, str]:
    return first.name, f"{first.name}-threads"


def models_of(wheel: Path, archives: Mapping[str, Path]) -> tuple[Model, ...]:
    """The models that the wheel's release takes; ``archives`` are those of :data:`ARCHIVES`."""
    every = _models(tuple(archives.items()))
    return tuple(model for model in every if _reaches(wheel, model.since))


def _reaches(wheel: Path, tflite: str) -> bool:
    _, built, _, _ = parse_wheel_filename(wheel.name)
    return built.release >= Version(tflite).release


@cache
def _models(archives: tuple[tuple[str, Path], ...]) -> tuple[Model, ...]:
    return (*models.generated(), *models.real_models(dict(archives)))
