"""The benchmark itself: let all contestants answer, compare, then time one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tflite_bench import agreement, errors, isolated, layers, machine, report, runtimes, trial
from tflite_bench.agreement import Agreement
from tflite_bench.isolated import TrialError
from tflite_bench.report import Failure, Model, Report, Result
from tflite_bench.runtimes import Runtime
from tflite_bench.trial import Answer, Limits, Measured, Trial

_MUCH = 0.1
"""Of one processor: more used by other programs than that is worth a note."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured. ``paths`` are of the report's models, in the same order."""

    paths: list[str]
    runtimes: list[Runtime]
    seed: int
    delegates: list[str]
    threads: list[int]
    limits: Limits
    layers: bool

    def trials(self, model: Model, path: str) -> list[Trial]:
        """All contestants for a model."""
        return [
            Trial(model.name, path, runtime, delegate, threads)
            for runtime in self.runtimes
            for delegate in self.delegates
            for threads in self.threads
        ]


@dataclass(frozen=True)
class _Answered:
    """A contestant that can run a model."""

    trial: Trial
    delegates: int | None
    agreement: Agreement | None


def run(plan: Plan, made: Report, save: Callable[[], None]) -> None:
    """Fill a report, and ``save`` it after each step.

    A contestant that fails becomes a failure in the report. Raises KeyboardInterrupt.
    """
    _warn_before(plan, made)
    save()
    answered = []
    for model, path in zip(made.models, plan.paths):
        answered.append(_compared(plan.trials(model, path), plan, model, made))
        save()
    for model, able in zip(made.models, answered):
        if able:
            print(f"\n{model.name}\n{report.header(made)}", flush=True)
        for each in able:
            _time(each, plan, made)
            save()


def _warn_before(plan: Plan, made: Report) -> None:
    told = made.machine
    if plan.layers and plan.delegates != ["armnn"]:
        made.warn(layers.UNTOLD)
    if told.emulated:
        made.warn("this processor is emulated: the times say nothing about a board")
    if told.governor not in (None, "performance"):
        made.warn(
            f"the governor is {told.governor}, so the clock varies; for figures that repeat: "
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        )


def _compared(trials: list[Trial], plan: Plan, model: Model, made: Report) -> list[_Answered]:
    """Those that can run a model, each compared with the first of them."""
    first: tuple[str, Answer] | None = None
    able = []
    for each in trials:
        try:
            answer: Answer = isolated.call(trial.answer, each, plan.seed).value
        except TrialError as failure:
            _fail(each, str(failure), made)
            continue
        _note(each, answer, model, made)
        near = None
        if first:
            name, expected = first
            near = agreement.compare(name, expected.outputs, answer.outputs, expected.arithmetic)
            if not near.agrees:
                made.warn(f"{each.model}: {each.contestant}, disagrees with {name}: {near.reason}")
        else:
            first = (each.contestant, answer)
        able.append(_Answered(each, answer.delegates, near))
    return able


def _note(each: Trial, answer: Answer, model: Model, made: Report) -> None:
    """Record what only a contestant can tell of the model and of itself."""
    model.inputs = model.inputs or answer.inputs
    for library in made.runtimes:
        if library.name == each.runtime.name:
            for path in map(Path, answer.libraries):
                library.files[path.name] = runtimes.digest(path)
    for tensor in answer.inputs:
        if tensor.free:
            made.warn(f"{each.model}: {tensor.name} has no fixed shape; {tensor.shape} is measured")
    if each.delegate != "none" and answer.delegates == 0:
        made.warn(
            f"{each.model}: in {each.runtime.name} the delegate {each.delegate} takes no operator"
        )


def _time(able: _Answered, plan: Plan, made: Report) -> None:
    """Measure a contestant; add the result, or the failure."""
    each = able.trial
    word, before = machine.throttle_word(), machine.temperature()
    try:
        measured: Measured = isolated.call(trial.measure, each, plan.seed, plan.limits).value
    except TrialError as failure:
        _fail(each, str(failure), made)
        return
    throttled = machine.throttles(word, machine.throttle_word())
    result = Result(
        model=each.model,
        runtime=each.runtime.name,
        delegate=each.delegate_name,
        threads=each.threads,
        delegates=able.delegates,
        agreement=able.agreement,
        measured=measured,
        celsius_before=before,
        celsius_after=machine.temperature(),
        throttled=throttled,
        layers=_layers(each, plan, made) if plan.layers else None,
        notes=notes(measured, able.agreement, throttled),
    )
    made.results.append(result)
    print(report.row(made, result), flush=True)
    for layer in result.layers or ():
        print(f"    {layer.ms:9.3f} ms  {layer.name}")


def _layers(each: Trial, plan: Plan, made: Report) -> list[layers.Layer] | None:
    if each.delegate != "armnn":
        return None
    try:
        return layers.parse(isolated.call(trial.profile, each, plan.seed).printed) or None
    except TrialError as failure:
        made.warn(f"{each.model}: {each.contestant}, tells no times of operators: {failure}")
        return None


def notes(measured: Measured, near: Agreement | None, throttled: list[str] | None) -> list[str]:
    """Why not to trust figures, each in a few words; none if there is no reason."""
    found = []
    if near and not near.agrees:
        found.append("outputs disagree")
    if throttled:
        found.append(f"slowed by {' and '.join(throttled)}")
    if (measured.others or 0) > _MUCH:
        found.append(f"others used {measured.others:.1f} CPUs")
    if not measured.warm_up.steady:
        found.append("not steady")
    return found


def _fail(each: Trial, reason: str, made: Report) -> None:
    """Record a failure, without the names of folders that are nobody's business."""
    for path, name in (
        (each.path, each.model),
        (each.delegate, each.delegate_name),
        (os.path.expanduser("~"), "~"),
    ):
        reason = reason.replace(path, name)
    failure = Failure(
        model=each.model,
        runtime=each.runtime.name,
        delegate=each.delegate_name,
        threads=each.threads,
        reason=reason,
        advice=errors.advice(reason),
    )
    made.failures.append(failure)
    print(f"  {each.model}: {each.contestant}, cannot run it: {reason}\n    {failure.advice}")
