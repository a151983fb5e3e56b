"""Try a finished wheel on every emulated Raspberry Pi that it is for.

1. The system's own pip installs it from local files into a virtual environment, once beside the
   distribution's NumPy and once with the newest that pip would choose.
2. ``probe.py`` runs the models there, as a Raspberry Pi 4 and as a Raspberry Pi 5.
3. What it reports is judged here, against what the independent reference computes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from wheelhouse import console, faces, images, matrix, models, reference, sources
from wheelhouse.emulator import rootfs, systems
from wheelhouse.emulator.pi import Pi, Sandbox, contained
from wheelhouse.emulator.qemu import Emulated
from wheelhouse.emulator.systems import Board, System
from wheelhouse.engines import docker
from wheelhouse.errors import WheelhouseError
from wheelhouse.matrix import Target
from wheelhouse.models import Model
from wheelhouse.sources import Sources
from wheelhouse.store import digest, file_digest

BOARDS = ("Raspberry Pi 4", "Raspberry Pi 5")
DELEGATE_LINE = "Created TensorFlow Lite XNNPACK delegate for CPU."
THREADS = 4

DELEGATED = {"float32": "2.14", "int8": "2.14", "uint8": "2.14", "dynamic": "2.22"}
"""The oldest TFLite here whose XNNPACK must take a kind of arithmetic."""

_HERE = Path(__file__).parent
_PROBE = _HERE / "probe.py"
_WHEELS = "/wheels"


@dataclass(frozen=True)
class Check:
    """One thing that was tried, whether it was right, and what was seen."""

    name: str
    passed: bool
    seen: str


@dataclass(frozen=True)
class Trial:
    """The checks of one wheel on one system and board beside one NumPy."""

    system: str
    board: str
    numpy: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


def verify(wheel: Path, at: Sources, engine: str = "host") -> Path:
    """Try a wheel unless these very bytes were tried before; the record, a JSON file.

    ``engine`` is ``host``, for sandboxes on this machine, or ``docker``. Raises WheelhouseError if
    the wheel is for no target of the matrix or any check fails.
    """
    target = target_of(wheel)

    def make(folder: Path) -> None:
        trials = run(wheel, target, at, engine)
        record = {
            "wheel": wheel.name,
            "sha256": file_digest(wheel),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "engine": engine,
            "reference": f"ai-edge-litert {version('ai-edge-litert')}",
            "trials": [asdict(trial) for trial in trials],
        }
        if problems := list(failures(trials)):
            kept = at.store.log(f"verify-{wheel.name}")
            kept.write_text(json.dumps(record, indent=1))
            raise WheelhouseError(
                f"{wheel.name} did not pass:\n  " + "\n  ".join(problems[:10]),
                f"All that was seen is in {kept}.",
            )
        (folder / "record.json").write_text(json.dumps(record, indent=1))

    key = digest(file_digest(wheel), target.systems, identity(), engine)
    return at.store.made("verified", wheel.stem, key, make) / "record.json"


def target_of(wheel: Path) -> Target:
    """The matrix's target that a wheel file is for; raises WheelhouseError if there is none."""
    with suppress(InvalidWheelFilename):
        _, built, _, tags = parse_wheel_filename(wheel.name)
        known = built.public in sources.catalogue().tflite
        for target in matrix.targets() if known else ():
            if any((tag.interpreter, tag.abi) == (target.tag, target.abi) for tag in tags):
                return target
    raise WheelhouseError(
        f"{wheel.name} is for no CPython of the matrix, or of no TFLite that is built here.",
        "Give a wheel that `invoke build` made; `invoke matrix` lists the targets.",
    )


def run(wheel: Path, target: Target, at: Sources, engine: str) -> list[Trial]:
    """Try the wheel on all systems and boards beside both NumPys."""
    on = [systems.system(name) for name in target.systems]
    return [trial for system in on for trial in _on(system, wheel, at, engine)]


def _on(system: System, wheel: Path, at: Sources, engine: str) -> list[Trial]:
    newest = sources.shared(f"numpy-{system.python}")
    console.say(f"Verifying {wheel.name} on {system.name}")
    trials: list[Trial] = []
    for numpy in (None, at.file(newest)):
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            boards = [systems.board(name) for name in BOARDS]
            tried = models_of(wheel, at)
            _lay_out(work, tried, boards)
            with (
                opened(engine, system, at, work, [wheel, numpy]) as pi,
                ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
            ):
                install_on(pi, [wheel, numpy], system)
                jobs = [pool.submit(_probe, pi, board, work) for board in boards]
                for board, job in zip(boards, jobs, strict=True):
                    report, done = job.result()
                    outputs = work / board.qemu_cpu
                    checks = judge(wheel, system, report, done, numpy, outputs, at)
                    trials.append(_trial(system, board, numpy, report, tuple(checks)))
                    console.say(summary(trials[-1]))
    return trials


def install(
    wheel: Path, numpy: Path | None, system: System, at: Sources, work: Path, *options: str
) -> None:
    """Let the system's pip install a wheel, and a NumPy or the system's own, into ``work/env``.

    ``options`` are more of pip's. Raises WheelhouseError if pip refuses.
    """
    with opened("host", system, at, work, [wheel, numpy]) as pi:
        install_on(pi, [wheel, numpy], system, options)


@contextmanager
def opened(
    engine: str, system: System, at: Sources, work: Path, wheels: Sequence[Path | None]
) -> Iterator[Pi]:
    """The system with wheels to install and ``work`` as its home folder."""
    files = _files(*wheels)
    if engine == "docker":
        client = docker.connect()
        with contained(client, images.pi(client, system, at.store), work, files) as pi:
            yield pi
    else:
        yield Sandbox(rootfs.tree(system, at.store), work, files)


def _files(*wheels: Path | None) -> dict[str, Path]:
    return {f"{_WHEELS}/{path.name}": path for path in wheels if path}


def install_on(
    pi: Pi, wheels: Sequence[Path | None], system: System, options: Sequence[str] = ()
) -> None:
    """Let the system's pip install wheels into ``env``; raises WheelhouseError if pip refuses."""
    for command in (
        [f"python{system.python}", "-m", "venv", "--without-pip", "--system-site-packages", "env"],
        ["env/bin/python", "-m", "pip", "install", "--no-index", *options, *_files(*wheels)],
    ):
        done = pi.run(command, systems.board(BOARDS[0]))
        if done.status:
            raise WheelhouseError(
                f"On {system.name} `{' '.join(command)}` failed: {done.stderr.strip()[-400:]}",
                "Correct the wheel's name, tags or metadata.",
            )


def _lay_out(work: Path, tried: tuple[Model, ...], boards: list[Board]) -> None:
    shutil.copyfile(_PROBE, work / "probe.py")
    for model in tried:
        (work / f"{model.name}.tflite").write_bytes(model.content)
        np.savez(work / f"{model.name}.npz", **dict(model.inputs))  # type: ignore[arg-type]
    for name, content in models.bad().items():
        (work / f"bad-{name}").write_bytes(content)
    for outputs in (board.qemu_cpu for board in boards):
        (work / outputs).mkdir()
        (work / f"{outputs}.json").write_text(json.dumps(_plan(tried, outputs)))


def _plan(tried: tuple[Model, ...], outputs: str) -> dict[str, Any]:
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
        "bad": {name: f"bad-{name}" for name in models.bad()},
        "runs": [
            *(entry(model, model.name, 1, False) for model in tried),
            entry(first, f"{first.name}-threads", THREADS, False),
            entry(first, f"{first.name}-bytes", 1, True),
        ],
    }


def _probe(pi: Pi, board: Board, work: Path) -> tuple[dict[str, Any], Emulated]:
    outputs = board.qemu_cpu
    plan, report = f"{outputs}.json", f"{outputs}/report.json"
    done = pi.run(["env/bin/python", "probe.py", plan, report], board)
    pi.fetch(outputs)
    return json.loads((work / report).read_text()) if done.status == 0 else {}, done


def _trial(
    system: System,
    board: Board,
    numpy: Path | None,
    report: dict[str, Any],
    checks: tuple[Check, ...],
) -> Trial:
    seen = report.get("system", {}).get("numpy", "unknown")
    return Trial(system.name, board.name, f"{seen} ({'newest' if numpy else 'own'})", checks)


def judge(
    wheel: Path,
    system: System,
    report: dict[str, Any],
    done: Emulated,
    numpy: Path | None,
    outputs: Path,
    at: Sources,
) -> Iterator[Check]:
    """What the probe's report and outputs mean: one check per thing that a user relies on."""
    error = report.get("error", done.signal or done.stderr[-400:])
    yield Check("import", error is None, str(error))
    if error is not None:
        return
    tried = models_of(wheel, at)
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
        for way, seen in ways.items():
            refused = (seen.get("error") or {}).get("type") in ("ValueError", "RuntimeError")
            yield Check(f"the bad file {name} is refused ({way})", refused, str(seen))
    yield _face(models.portrait(_archives(at)).size, outputs)


def _judge_system(
    wheel: Path, system: System, seen: dict[str, Any], numpy: Path | None
) -> Iterator[Check]:
    _, built, _, _ = parse_wheel_filename(wheel.name)
    for name, wanted, found in (
        ("__version__", str(built), seen["runtime"]),
        ("__git_version__", f"v{built.public}", seen["git"]),
        ("machine", "aarch64", seen["machine"]),
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
    expected = _expected(model, _delegated(entry))
    with np.load(outputs / f"{name}.npz") as stored:
        actual = [stored[key] for key in model.outputs or sorted(stored.files, key=int)]
    found = reference.compare(model.arithmetic, expected, actual)
    return Check(f"{name} agrees with the reference", found.near, found.reason or f"{found.worst}")


_references: dict[tuple[str, bool], list[Any]] = {}


def _expected(model: Model, delegated: bool) -> list[Any]:
    """The reference's outputs by the same kind of kernels: the two kinds round differently."""
    key = (model.name, delegated)
    if key not in _references:
        _references[key] = reference.outputs(model.content, model.inputs, delegated=delegated)
    return _references[key]


def _face(size: tuple[int, int], outputs: Path) -> Check:
    with np.load(outputs / "face_detection_short_range.npz") as stored:
        found = faces.best(stored["0"], stored["1"], size)
    overlap = found.box.overlap(faces.Box(*models.catalogue().portrait.face))
    seen = f"overlap {overlap:.2f}, score {found.score:.2f}"
    return Check("the face in the photograph is found", overlap > 0.5 and found.score > 0.5, seen)


def _threaded(first: Model) -> tuple[str, str]:
    return first.name, f"{first.name}-threads"


def models_of(wheel: Path, at: Sources) -> tuple[Model, ...]:
    """The models that the wheel's release takes."""
    return tuple(model for model in _models(at) if _reaches(wheel, model.since))


def _reaches(wheel: Path, tflite: str) -> bool:
    _, built, _, _ = parse_wheel_filename(wheel.name)
    return built.release >= Version(tflite).release


@cache
def _models(at: Sources) -> tuple[Model, ...]:
    return (*models.generated(), *models.realistic(_archives(at)))


@cache
def _archives(at: Sources) -> dict[str, Path]:
    return {name: at.file(sources.shared(name)) for name in ("mediapipe", "scikit-image")}


def identity() -> str:
    """A digest of what tries and judges."""
    names = ("builder", "faces", "mobilenet", "models", "probe", "reference", "verify")
    files = [*sorted((_HERE / "emulator").glob("*.[pt]*")), _HERE / "models.toml"]
    files += [_HERE / f"{name}.py" for name in names]
    return digest([file_digest(path) for path in files])


def failures(trials: list[Trial]) -> Iterator[str]:
    """One line for each check that did not pass."""
    for trial in trials:
        for check in trial.failed:
            where = f"{trial.system}, {trial.board}, NumPy {trial.numpy}"
            yield f"{check.name}: {check.seen} ({where})"


def summary(trial: Trial) -> str:
    """How many checks passed."""
    count = len(trial.checks) - len(trial.failed)
    return f"  {trial.board}, NumPy {trial.numpy}: {count} of {len(trial.checks)} checks passed"
