"""Use models that may be wrong, each in a process of its own: ``fuzz.py PLAN REPORT``.

Needs nothing but Python 3.7, NumPy and the runtime. The plan names the folder of the runtime's
package, or null where it is installed, and the mutants; paths are relative to the plan's folder::

    {"runtime": "site", "mutants": [{"model": "0.tflite", "seed": 7, "hostile": true,
                                     "values": {"x1": [0, 1]}}]}

``seed`` decides the resolver and the inputs. A ``hostile`` one gets integers out of range and
shapes that do not fit; ``values`` are right ones, by the input's name. The report has a row for
each mutant: what ended it (``signal``, or null), in which ``stage``, its ``seconds``, the
largest memory, ``megabytes``, and what it ``said`` on standard error if a signal ended it.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["TFLITE_LOG_LEVEL"] = "silent"

import numpy as np
import numpy.random  # which `numpy` imports late: each process would do it again

STAGES = ("load", "allocate", "details", "get", "signatures", "invoke")
SECONDS = 20
SANITIZED_SECONDS = 60
"""The time of the processor that a process may use; a busy machine does not count."""
ASLEEP = 10
"""How many times as long it may take, if it sleeps or waits for the processor."""
BYTES = 4 << 30
"""The address space that a process may add, which the machine has for sure."""
SAID = 1 << 16
"""The most characters of standard error to report."""
LARGEST = 1 << 16
"""Inputs of more elements are not filled with random values but with zeros."""
INTEGERS = (-1, -2, 0, 1, 2, 3, 5, 64, 1000, 65536, -65536, 2**30, 2**31 - 1, -(2**31))
SHAPES = ((), (0,), (1,), (3,), (0, 3), (1, 1), (2, 3), (1, 0, 2), (1, 2, 3, 4), (1,) * 7)


def main(plan_path: str, report_path: str) -> None:
    """Carry out the plan and write the report as JSON."""
    folder = Path(plan_path).resolve().parent
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    if plan["runtime"]:
        sys.path.insert(0, str(folder / plan["runtime"]))
    module = importlib.import_module("tflite_runtime.interpreter")
    rows = [tried(module, folder, mutant) for mutant in plan["mutants"]]
    Path(report_path).write_text(json.dumps(rows), encoding="utf-8")


def tried(module: Any, folder: Path, mutant: dict[str, Any]) -> dict[str, Any]:
    """What became of a process that uses the mutant."""
    with tempfile.TemporaryFile() as said:
        row = ended(module, folder, mutant, said)
        said.seek(0)
        text = said.read(SAID).decode("utf-8", "replace")
    return {**row, "said": text if row["signal"] else ""}


def ended(module: Any, folder: Path, mutant: dict[str, Any], said: IO[bytes]) -> dict[str, Any]:
    """How a process ended that used the mutant; ``said`` gets what it wrote to standard error."""
    shared = mmap.mmap(-1, 1)
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(said.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        largest = address_space() + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (largest, largest))
        seconds = SANITIZED_SECONDS if "ASAN_OPTIONS" in os.environ else SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(ASLEEP * seconds)
        try:
            use(module, folder / mutant["model"], mutant, shared)
        finally:
            os._exit(0)
    _, status, usage = os.wait4(child, 0)
    return {
        "signal": signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None,
        "stage": STAGES[shared[0]],
        "seconds": round(time.monotonic() - start, 2),
        "megabytes": usage.ru_maxrss // 1024,
    }


def address_space() -> int:
    """The bytes of address space that this process has; a sanitizer reserves terabytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    return pages * resource.getpagesize()


def use(module: Any, path: Path, mutant: dict[str, Any], shared: Any) -> None:
    """Do all that a program may do with a model; exceptions end a step alone."""
    random = np.random.RandomState(mutant["seed"])
    resolver = list(module.OpResolverType)[random.randint(4)]
    keep = bool(random.randint(2))
    options = {"experimental_op_resolver_type": resolver, "experimental_preserve_all_tensors": keep}
    by_path = {"model_path": str(path)}
    source = by_path if random.randint(2) else {"model_content": path.read_bytes()}
    interpreter = module.Interpreter(**source, **options)
    shared[0] = 1
    attempt(interpreter.allocate_tensors)
    shared[0] = 2
    for each in ("get_tensor_details", "get_input_details", "get_output_details"):
        attempt(getattr(interpreter, each))
    attempt(interpreter._get_ops_details)
    shared[0] = 3
    read_all(interpreter)
    shared[0] = 4
    runners = attempt(signatures, interpreter) or []
    shared[0] = 5
    attempt(fill, interpreter, mutant, random)
    attempt(interpreter.invoke)
    read_all(interpreter)
    for runner in runners:
        attempt(call, runner, mutant, random)
    if mutant["hostile"]:
        attempt(reshape, interpreter, random)
        attempt(interpreter.allocate_tensors)
        attempt(fill, interpreter, mutant, random)
        attempt(interpreter.invoke)
        read_all(interpreter)
    attempt(interpreter.reset_all_variables)
    del interpreter, runners


def attempt(action: Any, *arguments: Any) -> Any:
    """The action's result, or None if it raises."""
    try:
        return action(*arguments)
    except Exception:
        return None


def read_all(interpreter: Any) -> None:
    """Read each tensor, and look at it."""
    wrapper = interpreter._interpreter
    for index in range(attempt(wrapper.NumTensors, 0) or 0):
        attempt(interpreter.get_tensor, index)
        view = attempt(interpreter.tensor(index))
        if view is not None:
            attempt(np.asarray(view).tobytes)
        del view


def signatures(interpreter: Any) -> list[Any]:
    """The runners of all signatures."""
    runners = [interpreter.get_signature_runner(key) for key in interpreter.get_signature_list()]
    for runner in runners:
        attempt(runner.get_input_details)
        attempt(runner.get_output_details)
    return runners


def call(runner: Any, mutant: dict[str, Any], random: Any) -> None:
    """Call a signature's runner with values that its inputs take."""
    named = runner.get_input_details()
    runner(**{name: value(item, mutant, random) for name, item in named.items()})


def fill(interpreter: Any, mutant: dict[str, Any], random: Any) -> None:
    """Set each input."""
    for item in interpreter.get_input_details():
        attempt(interpreter.set_tensor, item["index"], value(item, mutant, random))


def reshape(interpreter: Any, random: Any) -> None:
    """Resize some inputs."""
    for item in interpreter.get_input_details():
        shape = list(item["shape"])
        if random.randint(2) and shape:
            shape[random.randint(len(shape))] = random.choice([0, 1, 2, 3, 5, 17])
        elif random.randint(2):
            shape = list(SHAPES[random.randint(len(SHAPES))])
        attempt(interpreter.resize_tensor_input, item["index"], shape)


def value(item: dict[str, Any], mutant: dict[str, Any], random: Any) -> Any:
    """Values for an input: right ones if it has them and the mutant is not hostile."""
    shape, kind = tuple(item["shape"]), np.dtype(item["dtype"])
    given = mutant["values"].get(item["name"])
    right = given is not None and np.shape(given) == shape
    if int(np.prod(shape, dtype=np.float64)) > LARGEST:
        return np.zeros(shape, kind)
    if kind.kind in "iu":
        result = np.array(given, kind) if right else random.randint(0, 3, shape).astype(kind)
        if mutant["hostile"]:
            wrong = random.choice(np.array(INTEGERS, np.int64), shape).astype(kind)
            result = np.where(
                random.uniform(size=shape) < random.choice([0, 0.3, 1]), wrong, result
            )
        return result.astype(kind)
    if kind.kind == "b":
        return random.randint(0, 2, shape).astype(kind)
    if kind.kind in "SO":
        words = [b"one two", b"", b"three", b"\xff" * random.randint(1, 40)]
        return np.array(
            [words[random.randint(4)] for _ in range(int(np.prod(shape)))], object
        ).reshape(shape)
    result = random.normal(size=shape).astype(kind)
    if mutant["hostile"] and random.randint(2):
        wrong = random.choice(np.array([np.nan, np.inf, -1e30, 1e30, 0.0]), shape).astype(kind)
        result = np.where(random.uniform(size=shape) < 0.3, wrong, result).astype(kind)
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
