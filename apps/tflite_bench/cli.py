"""The command line."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tflite_bench import benchmark, isolated, machine, report, runtimes
from tflite_bench.benchmark import Plan
from tflite_bench.errors import BenchError
from tflite_bench.report import Library, Model, Report, Settings
from tflite_bench.trial import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD, INCOMPLETE, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses. INCOMPLETE: something could not run, or outputs disagree."""


def main(words: Sequence[str]) -> int:
    """Run the benchmark that the words ask for; the exit status."""
    options = parser().parse_args(words)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            plan, made = _planned(options, Path(scratch))
            return _run(plan, made, options.json)
    except BenchError as error:
        report.complain(error)
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(plan: Plan, made: Report, json: Path | None) -> int:
    def save() -> None:
        if json:
            made.save(json)

    print(report.heading(made), flush=True)
    with _interruptible():
        try:
            benchmark.run(plan, made, save)
        except KeyboardInterrupt:
            made.interrupted = True
            print("\nInterrupted: what is done is kept.", flush=True)
    made.finished = report.now()
    save()
    _close(made, json)
    if made.interrupted:
        return INTERRUPTED
    return GOOD if made.good else INCOMPLETE


def _close(made: Report, json: Path | None) -> None:
    print(f"\n{len(made.results)} measured, {len(made.failures)} failed.")
    if json:
        print(f"All of it is in {json}.")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let the end of a session and a request to end interrupt as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in isolated.INTERRUPTS]
    try:
        yield
    finally:
        for number, handler in zip(isolated.INTERRUPTS, before):
            signal.signal(number, handler)


def _planned(options: argparse.Namespace, scratch: Path) -> tuple[Plan, Report]:
    """What to do and the report to fill. Raises BenchError for what cannot be."""
    models = [_model(path, options.models[:number]) for number, path in enumerate(options.models)]
    found = runtimes.find(options.runtime, scratch)
    limits = Limits(options.seconds, options.runs, options.warm_up)
    plan = Plan(
        paths=[str(path) for path in options.models],
        runtimes=found,
        seed=options.seed,
        delegates=options.delegate,
        threads=options.threads,
        limits=limits,
        layers=options.operators,
    )
    made = Report(
        settings=Settings(
            threads=options.threads,
            delegates=[os.path.basename(name) for name in options.delegate],
            seconds=options.seconds,
            runs=options.runs,
            warm_up=options.warm_up,
            seed=options.seed,
        ),
        machine=machine.describe(),
        runtimes=[Library(each.name, each.module, each.version) for each in found],
        models=models,
    )
    return plan, made


def _model(path: Path, before: Sequence[Path]) -> Model:
    """A model's file, named without its folder; (2) follows if one before has the same name."""
    again = sum(other.name == path.name for other in before)
    name = f"{path.name} ({again + 1})" if again else path.name
    try:
        return Model(name, path.stat().st_size, runtimes.digest(path))
    except OSError as error:
        raise BenchError(
            f"Cannot read {path}: {error.strerror}.", "Name files of models, for TensorFlow Lite."
        ) from error


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="tflite_bench",
        description="Benchmark TensorFlow Lite models with every runtime that is installed.",
        epilog="Exit status: 0 all ran and agreed, 1 not so, 2 wrong use, 130 interrupted.",
    )
    add: Callable[..., Any] = made.add_argument
    cores = len(os.sched_getaffinity(0))
    add("models", nargs="+", type=Path, metavar="model.tflite")
    add(
        "--threads",
        type=_threads,
        default=sorted({1, cores}),
        metavar="N,M",
        help="numbers of threads to try (1, and as many as there are processors)",
    )
    add(
        "--delegate",
        type=_delegates,
        default=["xnnpack"],
        metavar="NAMES",
        help=f"of {', '.join(runtimes.DELEGATES)} and paths of libraries; none is TensorFlow "
        "Lite's own kernels (xnnpack)",
    )
    add(
        "--runtime",
        type=_words,
        default=[],
        metavar="NAMES",
        help=f"of {', '.join(runtimes.INTERPRETERS)}, wheels and folders made by `pip install "
        "--target` (all that are installed)",
    )
    add("--json", type=Path, metavar="FILE", help="record everything in this file, too")
    add("--seconds", type=_positive, default=5.0, help="to measure, at least (5)")
    add("--runs", type=_count, default=20, help="to measure, at least (20)")
    add("--warm-up", type=_positive, default=10.0, metavar="SECONDS", help="at most (10)")
    add("--seed", type=int, default=0, help="of the random inputs (0)")
    add(
        "--operators",
        action="store_true",
        help="tell the time of each operator, which only the delegate armnn can",
    )
    return made


def _words(text: str) -> list[str]:
    words = [word for word in text.split(",") if word]
    if not words:
        raise argparse.ArgumentTypeError("name one at least")
    return list(dict.fromkeys(words))


def _threads(text: str) -> list[int]:
    return [_count(word) for word in _words(text)]


def _delegates(text: str) -> list[str]:
    words = _words(text)
    for word in words:
        if word not in runtimes.DELEGATES and "/" not in word:
            known = ", ".join(runtimes.DELEGATES)
            raise argparse.ArgumentTypeError(
                f"there is no delegate {word!r}; there are {known}, and paths such as ./lib.so"
            )
    return words


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
