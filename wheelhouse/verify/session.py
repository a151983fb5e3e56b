"""Try a wheel on emulated Raspberry Pis: copy files, install, run a probe, judge it, record.

A :class:`TrialSetup` says what is installed, which probe runs there and what judges its report.
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
"""The name of the record in a verification step's folder."""

_WHEELS = "/wheels"
_INSTALLER = "Raspberry Pi 4"


@dataclass(frozen=True)
class ProbeResult:
    """What a probe left: its report, empty if it failed, how it ended, and its outputs' folder."""

    report: dict[str, Any]
    done: Emulated
    outputs: Path

    @cached_property
    def imported(self) -> Check:
        """The check that the probe could import the runtime and reach its runs."""
        error = self.report.get("error", self.done.signal or self.done.stderr[-400:])
        return Check("import", error is None, str(error))


@dataclass(frozen=True)
class TrialSetup:
    """How a wheel is tried on one system with one NumPy.

    pip installs ``wheels``. ``probes`` are scripts, of which the last one runs on each of
    ``boards``; ``plan`` makes its plan, given the name of the folder for outputs, and ``judge``
    turns its result into checks. ``models`` and ``files`` are copied to the home folder. ``numpy``
    names the NumPy in the record: own or newest.
    """

    system: System
    wheels: Sequence[Path]
    numpy: str
    boards: Sequence[str]
    probes: Sequence[Path]
    models: Sequence[Model]
    plan: Callable[[str], dict[str, Any]]
    judge: Callable[[Board, ProbeResult], Iterable[Check]]
    files: Mapping[str, bytes] = field(default_factory=dict)

    def run(self, store: Store, tree: Path | None) -> Iterator[Trial]:
        """Install the wheels and run the probe as on each board, and yield a trial for each.

        This takes place in the system's root file system ``tree``, or in a container if that is
        None. Raises WheelhouseError if pip refuses the wheels.
        """
        boards = [systems.board(name) for name in self.boards]
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            self.write_files(work, boards)
            with (
                running_system(self.system, store, tree, work, self.wheels) as pi,
                ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
            ):
                install_on(pi, self.wheels, self.system, store)
                jobs = [pool.submit(self._probe, pi, board, work) for board in boards]
                for board, job in zip(boards, jobs, strict=True):
                    result = job.result()
                    numpy = result.report.get("system", {}).get("numpy", "unknown")
                    checks = tuple(self.judge(board, result))
                    trial = Trial(self.system.name, board.name, f"{numpy} ({self.numpy})", checks)
                    console.say(summary(trial))
                    yield trial

    def write_files(self, work: Path, boards: Sequence[Board]) -> None:
        """Write the probe's scripts, models, files and plans into the home folder ``work``."""
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

    def _probe(self, pi: Pi, board: Board, work: Path) -> ProbeResult:
        outputs = board.qemu_cpu
        plan, report = f"{outputs}.json", f"{outputs}/report.json"
        done = pi.run(["env/bin/python", self.probes[-1].name, plan, report], board)
        pi.fetch(outputs)
        content = json.loads((work / report).read_text()) if done.status == 0 else {}
        return ProbeResult(content, done, work / outputs)


def verification(
    wheel: Path,
    recipe: Recipe,
    tested: Sequence[System],
    engine: str,
    needs: Mapping[str, Pinned | Path],
) -> Step:
    """The step whose folder holds a wheel's record; ``recipe`` must call :func:`write_record`.

    ``engine`` is ``host``, for sandboxes on this machine, or ``docker``. ``tested`` are the systems
    to try the wheel on; ``needs`` are what the recipe needs besides the wheel and their trees.
    """
    trees = {system.name: rootfs.system_tree(system) for system in tested if engine == "host"}
    image_names = [images.pi_name(system) for system in tested if engine == "docker"]
    return Step(
        kind="verified",
        label=wheel.stem,
        recipe=recipe,
        needs={"wheel": wheel, **needs, **trees},
        parameters={
            "wheel": wheel.name,
            "engine": engine,
            "systems": [system.name for system in tested],
            "images": image_names,
            "reference": f"ai-edge-litert {version('ai-edge-litert')}",
        },
    )


def write_record(inputs: Inputs, folder: Path, trials: Iterable[Trial]) -> None:
    """Run the trials and write their record into ``folder``.

    Raises WheelhouseError if any check fails; the record then is among the cache's logs instead.
    """
    parameters, runtime = inputs.parameters, inputs.needs.get("runtime")
    content = Record(
        wheel=parameters["wheel"],
        sha256=file_digest(inputs.needs["wheel"]),
        date=datetime.now(timezone.utc).replace(microsecond=0),
        engine=parameters["engine"],
        reference=parameters["reference"],
        runtime=Companion(runtime.name, file_digest(runtime)) if runtime else None,
        trials=tuple(trials),
    )
    if problems := list(failures(content.trials)):
        log = inputs.store.log(f"verify-{content.wheel}")
        record.write(content, log)
        raise WheelhouseError(
            f"{content.wheel} failed verification:\n  " + "\n  ".join(problems[:10]),
            f"All checks are in {log}.",
        )
    record.write(content, folder / RECORD)


def install(
    wheel: Path, numpy: Path | None, system: System, fetcher: Fetcher, work: Path, *options: str
) -> None:
    """Let the system's pip install a wheel into the virtual environment ``work/env``.

    ``numpy`` is a wheel to install with it, or None for the system's own NumPy; ``options`` are
    further options of ``pip install``. Raises WheelhouseError if pip refuses.
    """
    wheels = [wheel, numpy] if numpy else [wheel]
    with running_system(
        system, fetcher.store, rootfs.tree(system, fetcher.store), work, wheels
    ) as pi:
        install_on(pi, wheels, system, fetcher.store, options)


@contextmanager
def running_system(
    system: System, store: Store, tree: Path | None, work: Path, wheels: Sequence[Path]
) -> Iterator[Pi]:
    """The system to run commands on, with ``wheels`` to install and ``work`` as its home folder.

    A sandbox in the root file system ``tree``, or a container if that is None.
    """
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
    """Let the system's pip install wheels into the virtual environment ``env``.

    Raises WheelhouseError if pip refuses.
    """
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


def compare_outputs(
    title: str,
    model: Model,
    stored: Path,
    tolerance: str | Tolerance,
    *,
    delegated: bool,
) -> Check:
    """The check, named ``title``, that a model's outputs agree with the reference's.

    ``stored`` is the file of outputs that the probe wrote, ``tolerance`` a key of
    reference.TOLERANCES or a tolerance of its own. The reference computes with XNNPACK's kernels if
    ``delegated``, otherwise with TFLite's built-in ones: the two kinds round differently.
    """
    if not stored.is_file():
        return Check(title, False, "There are no outputs.")
    key = (model.name, delegated)
    if key not in _references:
        _references[key] = reference.outputs(model.content, model.inputs, delegated=delegated)
    with np.load(stored) as file:
        actual = [file[name] for name in model.outputs or sorted(file.files, key=int)]
    comparison = reference.compare(tolerance, _references[key], actual)
    return Check(title, comparison.near, comparison.reason or f"{comparison.worst}")


def failures(trials: Iterable[Trial]) -> Iterator[str]:
    """One line for each check that failed."""
    for trial in trials:
        for check in trial.failed:
            where = f"{trial.system}, {trial.board}, NumPy {trial.numpy}"
            yield f"{check.name}: {check.seen} ({where})"


def summary(trial: Trial) -> str:
    """One line that says how many checks of a trial passed."""
    count = len(trial.checks) - len(trial.failed)
    return f"  {trial.board}, NumPy {trial.numpy}: {count} of {len(trial.checks)} checks passed"
