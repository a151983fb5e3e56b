"""What runs in a contestant's own process: a model with a runtime, a delegate and some threads."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from tflite_bench import machine, runtimes, timing
from tflite_bench.machine import CpuMeter
from tflite_bench.runtimes import Runtime
from tflite_bench.timing import Summary

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WINDOW = 0.1
"""Seconds, at least, that each median of the warm-up is taken of; three runs at least, too."""

_PROFILED = 5
"""Inferences whose layers are timed; the first does not count."""


@dataclass(frozen=True)
class Trial:
    """One row of the table: who runs which file in which way."""

    model: str
    path: str
    runtime: Runtime
    delegate: str
    threads: int

    @property
    def contestant(self) -> str:
        """For readers: ``tflite-runtime 2.14.1, xnnpack, 1 thread``."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.runtime.name}, {self.delegate_name}, {threads}"

    @property
    def delegate_name(self) -> str:
        """The delegate without its folder."""
        return os.path.basename(self.delegate)


@dataclass(frozen=True)
class Limits:
    """How long to measure: ``seconds`` and ``runs`` at least, after ``warm_up`` seconds at most."""

    seconds: float
    runs: int
    warm_up: float


@dataclass(frozen=True)
class Tensor:
    """An input of a model. ``free`` says that the model takes other shapes, too."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    free: bool


@dataclass(frozen=True)
class Answer:
    """What a contestant computes: a model's outputs, for inputs made from a seed.

    ``arithmetic`` is a key of ``agreement.LIMITS``; ``libraries`` are paths of what was loaded of
    the runtime and the delegate.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[NDArray[Any], ...]
    arithmetic: str
    delegates: int | None
    libraries: list[str]


@dataclass(frozen=True)
class WarmUp:
    """The inferences before those that count; ``steady`` if their times came to rest."""

    runs: int
    seconds: float
    steady: bool


@dataclass(frozen=True)
class Measured:
    """What a contestant needs for a model: times in milliseconds, memory in bytes.

    ``peak_bytes`` is all memory that the process ever had, Python and NumPy included;
    ``model_bytes`` what came on top of that after the runtime was imported. ``others`` is how
    many processors other programs kept busy meanwhile.
    """

    load_ms: float
    first_ms: float
    warm_up: WarmUp
    times: Summary
    peak_bytes: int | None
    model_bytes: int | None
    others: float | None


def answer(trial: Trial, seed: int) -> Answer:
    """Run the model once, and look at what it is. Raises whatever the runtime raises."""
    interpreter = _opened(trial)
    inputs = _fill(interpreter, seed)
    interpreter.invoke()
    details = interpreter.get_output_details()
    return Answer(
        inputs=inputs,
        outputs=tuple(np.array(interpreter.get_tensor(each["index"])) for each in details),
        arithmetic=_arithmetic(interpreter),
        delegates=runtimes.delegated(interpreter),
        libraries=runtimes.libraries(trial.runtime, trial.delegate),
    )


def measure(trial: Trial, seed: int, limits: Limits) -> Measured:
    """Load the model, warm up and measure. Raises whatever the runtime raises.

    An inference is ``invoke()`` alone: inputs are set once, outputs are not fetched.
    """
    runtimes.load(trial.runtime)
    before = machine.memory("VmRSS")
    start = time.perf_counter()
    interpreter = _opened(trial)
    loaded = time.perf_counter() - start
    _fill(interpreter, seed)
    invoke = interpreter.invoke
    gc.collect()
    gc.disable()
    first = _timed(invoke, 0.0, 1)[0]
    warm_up = _warm_up(invoke, limits.warm_up)
    meter = CpuMeter()
    times = _timed(invoke, limits.seconds, limits.runs)
    others = meter.others()
    peak = machine.memory("VmHWM")
    return Measured(
        load_ms=round(loaded * 1000, 3),
        first_ms=round(first * 1000, 3),
        warm_up=warm_up,
        times=timing.summarise(times),
        peak_bytes=peak,
        model_bytes=max(peak - before, 0) if peak and before else None,
        others=others,
    )


def profile(trial: Trial, seed: int) -> None:
    """Run the model some times and let the delegate print the time of each layer."""
    interpreter = runtimes.interpreter(
        trial.runtime, trial.path, trial.delegate, trial.threads, profiled=True
    )
    interpreter.allocate_tensors()
    _fill(interpreter, seed)
    for _ in range(_PROFILED):
        interpreter.invoke()


def values(shape: tuple[int, ...], dtype: Any, random: np.random.RandomState) -> NDArray[Any]:
    """Random values for an input: -1 to 1, any 8- or 16-bit number, 0 or 1 for wider integers.

    Wider integers are indices, of words for example, and 0 and 1 are valid ones everywhere.
    Raises TypeError for strings.
    """
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.asarray(random.uniform(-1, 1, shape)).astype(kind)
    if kind.kind in "iu" and kind.itemsize < 4:
        least, most = np.iinfo(kind).min, np.iinfo(kind).max
        return np.asarray(random.randint(least, most + 1, shape)).astype(kind)
    if kind.kind in "iub":
        return np.asarray(random.randint(0, 2, shape)).astype(kind)
    raise TypeError(f"cannot make values for an input of type {kind.name}")


def _opened(trial: Trial) -> Any:
    interpreter = runtimes.interpreter(trial.runtime, trial.path, trial.delegate, trial.threads)
    interpreter.allocate_tensors()
    return interpreter


def _fill(interpreter: Any, seed: int) -> tuple[Tensor, ...]:
    """Set all inputs; the same seed gives the same values for the same shapes and types."""
    random = np.random.RandomState(seed)
    tensors = []
    for each in interpreter.get_input_details():
        shape = tuple(int(side) for side in each["shape"])
        interpreter.set_tensor(each["index"], values(shape, each["dtype"], random))
        free = bool((np.asarray(each.get("shape_signature", ())) < 0).any())
        tensors.append(Tensor(each["name"], shape, np.dtype(each["dtype"]).name, free))
    return tuple(tensors)


def _arithmetic(interpreter: Any) -> str:
    kinds = [np.dtype(each["dtype"]) for each in interpreter.get_tensor_details()]
    if any(kind.kind in "iu" and kind.itemsize < 4 for kind in kinds):
        return "quantised"
    return "float16" if np.dtype(np.float16) in kinds else "float32"


def _timed(invoke: Callable[[], object], seconds: float, runs: int) -> list[float]:
    """Times of single runs, in seconds; so many and so long at least."""
    clock, total = time.perf_counter, 0.0
    times: list[float] = []
    while total < seconds or len(times) < runs:
        start = clock()
        invoke()
        times.append(clock() - start)
        total += times[-1]
    return times


def _warm_up(invoke: Callable[[], object], limit: float) -> WarmUp:
    """Run until the times are steady, ``limit`` seconds at most but one window anyway."""
    medians: list[float] = []
    runs, seconds = 0, 0.0
    while not timing.is_steady(medians):
        times = _timed(invoke, _WINDOW, 3)
        medians.append(median(times))
        runs += len(times)
        seconds += sum(times)
        if seconds >= limit:
            break
    return WarmUp(runs, round(seconds, 3), timing.is_steady(medians))
