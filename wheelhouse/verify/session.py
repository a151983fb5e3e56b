"""Try a wheel on emulated Raspberry Pis: lay out, install, probe, let it be judged, record.

What is installed, which script runs there, and who judges its report, an :class:`Exam` tells.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from wheelhouse import record
from wheelhouse.common import console, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Inputs, Pinned, Recipe, Step
from wheelhouse.common.store import Store, file_digest
from wheelhouse.machines import docker, images, rootfs
from wheelhouse.machines.pi import Pi, SandboxPi, container_pi
from wheelhouse.machines.qemu import Emulated
from wheelhouse.record import Check, Companion, Record, Trial
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import reference
from wheelhouse.verify.reference import Tolerance

RECORD = "record.json"
"""The file in a verification's folder."""

_WHEELS = "/wheels"
_INSTALLER = "Raspberry Pi 4"


@dataclass(frozen=True)
class Seen:
    """What a probe left: its report, how it ended, and the folder of its outputs."""

    report: dict[str, Any]
    done: Emulated
    outputs: Path

    @cached_property
    def imported(self) -> Check:
        """Whether the probe came to its runs at all."""
        error = self.report.get("error", self.done.signal or self.done.stderr[-400:])
        return Check("import", error is None, str(error))


@dataclass(frozen=True)
class Exam:
    """How a wheel is tried on one system beside one NumPy.

    ``wheels`` are all that pip installs; ``probes`` are scripts, of which the last one runs, with
    a plan made by ``plan`` from the name of the folder for outputs; ``files`` are more contents of
    the home folder. ``numpy`` says for readers which NumPy it is: own or newest.
    """

    system: System
    wheels: Sequence[Path]
    numpy: str
    boards: Sequence[str]
    probes: Sequence[Path]
    models: Sequence[Model]
    plan: Callable[[str], dict[str, Any]]
    judge: Callable[[Board, Seen], Iterable[Check]]
    files: Mapping[str, bytes] = field(default_factory=dict)

    def run(self, store: Store, tree: Path | None) -> Iterator[Trial]:
        """Try it on all boards: in the system's ``tree``, or in containers if there is none.

        Raises WheelhouseError if pip refuses.
        """
        boards = [systems.board(name) for name in self.boards]
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            self.lay_out(work, boards)
            with (
                opened(self.system, store, tree, work, self.wheels) as pi,
                ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
            ):
                install_on(pi, self.wheels, self.system, store)
                jobs = [pool.submit(self._probe, pi, board, work) for board in boards]
                for board, job in zip(boards, jobs, strict=True):
                    seen = job.result()
                    numpy = seen.report.get("system", {}).get("numpy", "unknown")
                    checks = tuple(self.judge(board, seen))
                    trial = Trial(self.system.name, board.name, f"{numpy} ({self.numpy})", checks)
                    console.say(summary(trial))
                    yield trial

    def lay_out(self, work: Path, boards: Sequence[Board]) -> None:
        """Write what the probe needs into the home folder."""
        for path in self.probes:
            shutil.copyfile(path, work / path.name)
        for model in self.models:
            (work / f"{model.name}.tflite").write_bytes(model.content)
            np.savez(work / f"{model.name}.npz", **dict(model.inputs))  # type: ignore[arg-type]
        for name, content in self.files.items():
            (work / name).write_bytes(content)
        for outputs in (board.qemu_cpu for board in boards):
            (work / outputs).mkdir()
            (work / f"{outputs}.json").write_text(json.dumps(self.plan(outputs)))

    def _probe(self, pi: Pi, board: Board, work: Path) -> Seen:
        outputs = board.qemu_cpu
        plan, report = f"{outputs}.json", f"{outputs}/report.json"
        done = pi.run(["env/bin/python", self.probes[-1].name, plan, report], board)
        pi.fetch(outputs)
        told = json.loads((work / report).read_text()) if done.status == 0 else {}
        return Seen(told, done, work / outputs)


def verification(
    wheel: Path,
    recipe: Recipe,
    on: Sequence[System],
    engine: str,
    needs: Mapping[str, Pinned | Path],
) -> Step:
    """The folder with a wheel's record, by a recipe that calls :func:`write_record`.

    ``engine`` is ``host``, for sandboxes on this machine, or ``docker``.
    """
    trees = {system.name: rootfs.system_tree(system) for system in on if engine == "host"}
    images_of = [images.pi_name(system) for system in on if engine == "docker"]
    return Step(
        kind="verified",
        label=wheel.stem,
        recipe=recipe,
        needs={"wheel": wheel, **needs, **trees},
        parameters={
            "wheel": wheel.name,
            "engine": engine,
            "systems": [system.name for system in on],
            "images": images_of,
            "reference": f"ai-edge-litert {version('ai-edge-litert')}",
        },
    )


def write_record(inputs: Inputs, folder: Path, trials: Iterable[Trial]) -> None:
    """Write the record of a wheel's trials.

    Raises WheelhouseError if any check fails; the record of that is then in the cache's logs.
    """
    told, runtime = inputs.parameters, inputs.needs.get("runtime")
    made = Record(
        wheel=told["wheel"],
        sha256=file_digest(inputs.needs["wheel"]),
        date=datetime.now(timezone.utc).replace(microsecond=0),
        engine=told["engine"],
        reference=told["reference"],
        runtime=Companion(runtime.name, file_digest(runtime)) if runtime else None,
        trials=tuple(trials),
    )
    if problems := list(failures(made.trials)):
        kept = inputs.store.log(f"verify-{made.wheel}")
        record.write(made, kept)
        raise WheelhouseError(
            f"{made.wheel} did not pass:\n  " + "\n  ".join(problems[:10]),
            f"All that was seen is in {kept}.",
        )
    record.write(made, folder / RECORD)


def install(
    wheel: Path, numpy: Path | None, system: System, fetcher: Fetcher, work: Path, *options: str
) -> None:
    """Let the system's pip install a wheel, and a NumPy or the system's own, into ``work/env``.

    ``options`` are more of pip's. Raises WheelhouseError if pip refuses.
    """
    wheels = [wheel, numpy] if numpy else [wheel]
    with opened(system, fetcher.store, rootfs.tree(system, fetcher.store), work, wheels) as pi:
        install_on(pi, wheels, system, fetcher.store, options)


@contextmanager
def opened(
    system: System, store: Store, tree: Path | None, work: Path, wheels: Sequence[Path]
) -> Iterator[Pi]:
    """The system with wheels to install and ``work`` as its home folder."""
    files = _files(wheels)
    if tree:
        yield SandboxPi(tree, work, files)
        return
    client = docker.connect()
    with container_pi(client, images.pi(client, system, store), work, files) as pi:
        yield pi


def install_on(
    pi: Pi, wheels: Sequence[Path], system: System, store: Store, options: Sequence[str] = ()
) -> None:
    """Let the system's pip install wheels into ``env``; raises WheelhouseError if pip refuses."""
    for command in (
        [f"python{system.python}", "-m", "venv", "--without-pip", "--system-site-packages", "env"],
        ["env/bin/python", "-m", "pip", "install", "--no-index", *options, *_files(wheels)],
    ):
        done = pi.run(command, systems.board(_INSTALLER))
        if done.status:
            raise process.failure(
                f"On {system.name} `{' '.join(command)}` failed",
                done,
                store.log(f"install-{system.suite}"),
                "Correct the wheel's name, tags or metadata.",
            )


def _files(wheels: Sequence[Path]) -> dict[str, Path]:
    return {f"{_WHEELS}/{path.name}": path for path in wheels}


_references: dict[tuple[str, bool], list[Any]] = {}


def compared(
    title: str,
    model: Model,
    stored: Path,
    tolerance: str | Tolerance,
    *,
    delegated: bool,
) -> Check:
    """Whether a model's stored outputs are near enough to the reference's.

    The reference computes with XNNPACK's kernels if ``delegated``, otherwise with TFLite's
    built-in ones: the two kinds round differently.
    """
    if not stored.is_file():
        return Check(title, False, "There are no outputs.")
    key = (model.name, delegated)
    if key not in _references:
        _references[key] = reference.outputs(model.content, model.inputs, delegated=delegated)
    with np.load(stored) as file:
        actual = [file[name] for name in model.outputs or sorted(file.files, key=int)]
    found = reference.compare(tolerance, _references[key], actual)
    return Check(title, found.near, found.reason or f"{found.worst}")


def failures(trials: Iterable[Trial]) -> Iterator[str]:
    """One line for each check that did not pass."""
    for trial in trials:
        for check in trial.failed:
            where = f"{trial.system}, {trial.board}, NumPy {trial.numpy}"
            yield f"{check.name}: {check.seen} ({where})"


def summary(trial: Trial) -> str:
    """How many checks passed."""
    count = len(trial.checks) - len(trial.failed)
    return f"  {trial.board}, NumPy {trial.numpy}: {count} of {len(trial.checks)} checks passed"
