"""Try a wheel on systems and boards: install, lay out, probe, let it be judged, record.

Each trial, of a wheel on one system and board beside one NumPy, is a step: one that passed is not
repeated, and an interrupted verification goes on. Which script runs there, and who judges its
report, an :class:`TrialSetup` tells.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import psutil

from wheelhouse import record
from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.jobs import jobs
from wheelhouse.common.step import Inputs, Pinned, Recipe, Step, get_or_make, is_cached, plan
from wheelhouse.common.store import Store, file_digest
from wheelhouse.machines import docker, images, rootfs
from wheelhouse.machines.pi import Pi, SandboxPi, container_pi
from wheelhouse.machines.qemu import HOME, Emulated
from wheelhouse.record import Check, Companion, Record, Trial
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import reference
from wheelhouse.verify.reference import Tolerance

RECORD, TRIAL = "record.json", "trial.json"
"""The files in the folders of a verification and of a trial."""

INSTALLED = "installed"
"""The kind of steps of :func:`installation`."""

OUTPUTS = "outputs"
"""The folder, in the home folder, of what a probe writes."""

_WHEELS = "/wheels"


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
    """How wheels are tried on one system and board.

    ``probes`` are scripts, of which the last one runs, with ``plan``; ``files`` are more contents
    of the home folder. ``numpy`` says for readers which NumPy is installed: own or newest.
    """

    system: System
    board: Board
    numpy: str
    probes: Sequence[Path]
    models: Sequence[Model]
    plan: Mapping[str, Any]
    judge: Callable[[ProbeResult], Iterable[Check]]
    files: Mapping[str, bytes] = field(default_factory=dict)

    def run(self, store: Store, tree: Path | None, env: Path) -> Trial:
        """Try it in the system's ``tree``, or in a container if there is none.

        ``env`` is the virtual environment that :func:`installation` makes.
        """
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            self.write_files(work)
            with running_system(self.system, store, tree, work, {f"{HOME}/env": env}) as pi:
                seen = self._probe(pi, work)
            numpy = seen.report.get("system", {}).get("numpy", "unknown")
            checks = tuple(self.judge(seen))
        board, numpys = self.board, f"{numpy} ({self.numpy})"
        return Trial(self.system.name, board.name, numpys, checks, board.beyond)

    def write_files(self, work: Path) -> None:
        """Write what the probe needs into the home folder."""
        for path in self.probes:
            shutil.copyfile(path, work / path.name)
        for model in self.models:
            (work / f"{model.name}.tflite").write_bytes(model.content)
            np.savez(work / f"{model.name}.npz", **dict(model.inputs))  # type: ignore[arg-type]
        for name, content in self.files.items():
            (work / name).write_bytes(content)
        (work / OUTPUTS).mkdir()
        (work / "plan.json").write_text(json.dumps(self.plan))

    def _probe(self, pi: Pi, work: Path) -> ProbeResult:
        report = f"{OUTPUTS}/report.json"
        command = ["env/bin/python", self.probes[-1].name, "plan.json", report]
        done = pi.run(command, self.board)
        pi.fetch(OUTPUTS)
        told = json.loads((work / report).read_text()) if done.status == 0 else {}
        return ProbeResult(told, done, work / OUTPUTS)


class TrialError(WheelhouseError):
    """A trial with a check that did not pass."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(
            f"{trial.board}, {trial.system}: {trial.failed[0].name}.", "Look at what was seen."
        )
        self.trial = trial


def installation(
    wheels: Mapping[str, Pinned | Path], system: System, engine: str, label: str
) -> Step:
    """The folder ``env``: a virtual environment into which the system's pip installed wheels.

    ``engine`` is ``host``, for a sandbox of this machine, or ``docker``.
    """
    return Step(
        kind=INSTALLED,
        label=f"{label}-{system.suite}",
        recipe=_install,
        needs={**wheels, **_tree(system, engine)},
        parameters={"system": system.name, "wheels": list(wheels), **_image(system, engine)},
    )


def _install(inputs: Inputs, folder: Path) -> None:
    system = systems.system(inputs.parameters["system"])
    wheels = [inputs.needs[name] for name in inputs.parameters["wheels"]]
    with running_system(
        system, inputs.store, inputs.needs.get("tree"), folder, _files(wheels)
    ) as pi:
        install_on(pi, wheels, system, inputs.store)
        pi.fetch("env")


def trial(
    recipe: Recipe,
    system: System,
    board: str,
    engine: str,
    label: str,
    needs: Mapping[str, Step | Pinned | Path],
    parameters: Mapping[str, Any],
) -> Step:
    """The folder with one trial, by a recipe that calls :func:`make_trial`."""
    return Step(
        kind="trials",
        label=f"{label}-{system.suite}-{board.rpartition(' ')[2]}",
        recipe=recipe,
        needs={**needs, **_tree(system, engine)},
        parameters={
            "system": system.name,
            "board": board,
            "reference": f"ai-edge-litert {version('ai-edge-litert')}",
            **parameters,
            **_image(system, engine),
        },
    )


def _tree(system: System, engine: str) -> dict[str, Step]:
    return {"tree": rootfs.system_tree(system)} if engine == "host" else {}


def _image(system: System, engine: str) -> dict[str, str]:
    if engine == "host":
        return {}
    require_image(system)
    return {"image": images.pi_name(system)}


def require_image(system: System) -> None:
    """Raise WheelhouseError if no container image has a system."""
    if not system.is_debian:
        raise WheelhouseError(
            f"There is no container image of {system.name}.",
            "Verify wheels for it with --engine host; build them with --no-verify in containers.",
            Kind.USAGE,
        )


def make_trial(inputs: Inputs, folder: Path, setup: Callable[[System, Board], TrialSetup]) -> None:
    """Try a wheel on the step's system and board, and write what was seen into ``folder``.

    Raises TrialError if a check did not pass.
    """
    told, needs = inputs.parameters, inputs.needs
    tried = setup(systems.system(told["system"]), systems.board(told["board"]))
    write_trial(folder, tried.run(inputs.store, needs.get("tree"), needs["env"] / "env"))


def write_trial(folder: Path, made: Trial) -> None:
    """Write a trial; raises TrialError if a check did not pass."""
    if made.failed:
        raise TrialError(made)
    record.write_trial(made, folder / TRIAL)


def verification(
    wheel: Path, trials: Sequence[Step], engine: str, verifier: str, runtime: Path | None = None
) -> Step:
    """The folder with a wheel's record, made of its trials.

    ``verifier`` is the digest of the code that makes them, ``runtime`` the wheel that another one
    is tried with.
    """
    return Step(
        kind="verified",
        label=wheel.stem,
        recipe=_record,
        needs={
            "wheel": wheel,
            **({"runtime": runtime} if runtime else {}),
            **{f"trial {number}": each for number, each in enumerate(trials)},
        },
        parameters={
            "wheel": wheel.name,
            "engine": engine,
            "verifier": verifier,
            "reference": f"ai-edge-litert {version('ai-edge-litert')}",
            "trials": len(trials),
        },
    )


def _record(inputs: Inputs, folder: Path) -> None:
    folders = [inputs.needs[f"trial {n}"] for n in range(inputs.parameters["trials"])]
    trials = [record.read_trial((each / TRIAL).read_bytes()) for each in folders]
    record.write(_of_trials(inputs.parameters, inputs.needs, trials), folder / RECORD)


def _of_trials(
    told: Mapping[str, Any], paths: Mapping[str, Path], trials: Iterable[Trial]
) -> Record:
    runtime = paths.get("runtime")
    return Record(
        wheel=told["wheel"],
        sha256=file_digest(paths["wheel"]),
        date=datetime.now(timezone.utc).replace(microsecond=0),
        engine=told["engine"],
        verifier=told["verifier"],
        reference=told["reference"],
        runtime=Companion(runtime.name, file_digest(runtime)) if runtime else None,
        trials=tuple(trials),
    )


def verified(step: Step, fetcher: Fetcher) -> Path:
    """The record of a wheel's verification, after those of its trials that are not in the store.

    They run side by side. Raises WheelhouseError if any check fails; all that was seen is then in
    the cache's logs.
    """
    if not is_cached(step, fetcher.store):
        _try(step, fetcher)
    return get_or_make(step, fetcher) / RECORD


def _try(step: Step, fetcher: Fetcher) -> None:
    trials = [each for each in step.needs.values() if isinstance(each, Step)]
    made = tried(step.parameters["wheel"], trials, fetcher)
    if any(each.failed for each in made):
        raise _failure(step, made, fetcher.store)


def tried(name: str, trials: Sequence[Step], fetcher: Fetcher) -> list[Trial]:
    """All trials, also those with checks that did not pass; ``name`` is what is tried.

    They run side by side. Their installations are removed unless a check did not pass.
    """
    missing = [each for each in trials if not is_cached(each, fetcher.store)]
    installs = [each for each in plan(*missing) if each.kind == INSTALLED]
    made, failed = [], False
    pool = ThreadPoolExecutor(jobs(len(os.sched_getaffinity(0)), psutil.virtual_memory().available))
    try:
        with console.steps(f"Trying {name}") as bar:
            bar.update(0, len(trials))
            for _ in pool.map(lambda each: get_or_make(each, fetcher), installs):
                pass
            running = [pool.submit(get_or_make, each, fetcher) for each in trials]
            for done, _ in enumerate(as_completed(running), 1):
                bar.update(done, len(trials))
        for future in running:
            try:
                made.append(record.read_trial((future.result() / TRIAL).read_bytes()))
            except TrialError as error:
                made.append(error.trial)
                failed = True
    finally:
        pool.shutdown(cancel_futures=True)
    if not failed:
        for each in installs:  # they are large, and no passed trial is repeated
            fetcher.store.discard(each.entry)
    return made


def _failure(step: Step, made: Sequence[Trial], store: Store) -> WheelhouseError:
    told = step.parameters
    kept = store.log(f"verify-{told['wheel']}")
    paths = {name: need for name, need in step.needs.items() if isinstance(need, Path)}
    record.write(_of_trials(told, paths, made), kept)
    return WheelhouseError(
        f"{told['wheel']} failed verification:\n  " + "\n  ".join([*failures(made)][:10]),
        f"All checks are in {kept}.",
        topic="verification",
    )


def install(
    wheel: Path, numpy: Path | None, system: System, fetcher: Fetcher, work: Path, *options: str
) -> None:
    """Let the system's pip install a wheel into the virtual environment ``work/env``.

    ``numpy`` is a wheel to install with it, or None for the system's own NumPy; ``options`` are
    further options of ``pip install``. Raises WheelhouseError if pip refuses.
    """
    wheels = [wheel, numpy] if numpy else [wheel]
    tree = rootfs.tree(system, fetcher.store)
    with running_system(system, fetcher.store, tree, work, _files(wheels)) as pi:
        install_on(pi, wheels, system, fetcher.store, options)


@contextmanager
def running_system(
    system: System, store: Store, tree: Path | None, work: Path, files: Mapping[str, Path]
) -> Iterator[Pi]:
    """The system to run commands on, with ``files`` at paths there and ``work`` as home folder.

    A sandbox in the root file system ``tree``, or a container if that is None.
    """
    if tree:
        yield SandboxPi(tree, work, files)
        return
    client = docker.connect()
    image = images.pi(client, system, store)
    with container_pi(client, image, work, files) as pi:
        yield pi


def install_on(
    pi: Pi, wheels: Sequence[Path], system: System, store: Store, options: Sequence[str] = ()
) -> None:
    """Let the system's pip install wheels into the virtual environment ``env``.

    Raises WheelhouseError if pip refuses.
    """
    # With copies, for no archive that is unpacked here may hold links to absolute paths.
    venv = ("venv", "--copies", "--without-pip", "--system-site-packages", "env")
    for command in (
        [f"python{system.python}", "-m", *venv],
        ["env/bin/python", "-m", "pip", "install", "--no-index", *options, *_files(wheels)],
    ):
        done = pi.run(command, systems.installer(system))
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
_COMPUTING = Lock()
"""The reference redirects standard error, which all threads share."""


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
    with _COMPUTING:
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
