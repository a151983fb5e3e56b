"""Do with Arm NN what users do and what once went wrong: ``-m guest.armnn MODULE REPORT``.

Runs inside the emulated system, beside ``probe.py`` and ``probe_armnn.py``; writes JSON. What goes
to standard error is preceded by the name of what was done.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pathlib
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import probe  # type: ignore[import-not-found]
import probe_armnn  # type: ignore[import-not-found]
import tflite_armnn_delegate as armnn

from . import heap

SPARSE = "face_detection_full_range_sparse"
SMALL = "mobilenet-0.25-96-int8"
CYCLES = 30
TIMES = 3
SECONDS = 120
"""When a child counts as one that hangs; emulation is slow."""
CHOICES: dict[str, dict[str, Any]] = {
    "default": {},
    "reference": {"backends": ["CpuAcc", "CpuRef"]},
}

if TYPE_CHECKING:
    Actions = dict[str, Callable[[], object]]


def main(module_name: str, report: str) -> None:
    module = importlib.import_module(module_name)
    names = [path.stem for path in sorted(pathlib.Path().glob("*.tflite"))]
    # First, while this process has no threads: so its children end as programs of their own do.
    ends = in_children(ways_to_end(module))
    if ends is None:
        return
    content = {
        "ends": ends,
        "runs": {name: probe.attempt(run, module, name) for name in names},
        "chosen": {choice: probe.attempt(run, module, SPARSE, choice) for choice in CHOICES},
        "exception": probe.attempt(exception, module),
        "used": [used_after_a_cycle(module) for _ in range(CYCLES)],
    }
    content["forks"] = forked(module)
    content["raised"] = raised(module)
    pathlib.Path(report).write_text(json.dumps(content, indent=1), encoding="utf-8")


def run(module: Any, name: str, choice: str = "default") -> Any:
    """Who runs which operators of a model; its outputs are saved."""
    os.write(2, f"== {name} {choice}\n".encode())
    entry = {"model": f"{name}.tflite", "options": CHOICES[choice], "default": False}
    with probe_armnn.captured_stdout() as text:
        interpreter = probe_armnn.make_interpreter(module, pathlib.Path(), entry, profiling=True)
        inputs = probe_armnn.inputs(pathlib.Path(), {"inputs": f"{name}.npz"})
        outputs = probe.infer(interpreter, inputs)
    np.savez(f"{name}-{choice}.out.npz", **outputs)
    workloads = probe_armnn.WORKLOAD.findall(text[0])
    return {"error": None, "delegation": probe.delegation(interpreter), "workloads": workloads}


def exception(module: Any) -> None:
    """Ask for what makes Arm NN throw while TFLite applies the delegate."""
    os.write(2, b"== exception\n")
    options = {"disable-tflite-runtime-fallback": "1"}
    delegate = module.load_delegate(armnn.path(), options)
    module.Interpreter("unsupported.tflite", experimental_delegates=[delegate])


def opened(module: Any, threads: int = 1) -> Any:
    """An interpreter of a small model."""
    entry = {"model": f"{SMALL}.tflite", "options": {"num_threads": threads}, "default": False}
    return probe_armnn.make_interpreter(module, pathlib.Path(), entry)


def outputs(interpreter: Any) -> Any:
    """What the small model computes."""
    inputs = probe_armnn.inputs(pathlib.Path(), {"inputs": f"{SMALL}.npz"})
    return probe.infer(interpreter, inputs)


def in_children(actions: Actions) -> dict[str, list[int]] | None:
    """The exit statuses of children that do each action TIMES times; None in such a child.

    A signal that ended one is told as its negative number.
    """
    statuses: dict[str, list[int]] = {name: [] for name in actions}
    for name, action in actions.items():
        os.write(2, f"== {name}\n".encode())
        for _ in range(TIMES):
            child = os.fork()
            if not child:
                signal.alarm(SECONDS)
                action()
                return None
            _, status = os.waitpid(child, 0)
            killed = os.WIFSIGNALED(status)
            statuses[name].append(-os.WTERMSIG(status) if killed else os.WEXITSTATUS(status))
    return statuses


def ways_to_end(module: Any) -> Actions:
    """To fall off the end, sys.exit(3) and an exception, each while a thread infers."""

    def computing(threads: int, end: Callable[[], object]) -> None:
        keep_computing(opened(module, threads)).wait()
        end()

    ends: Actions = {"end": int, "exit": partial(sys.exit, 3), "exception": partial(int, "x")}
    return {
        f"{name}, {threads}": partial(computing, threads, end)
        for name, end in ends.items()
        for threads in (1, 4)
    }


def keep_computing(interpreter: Any) -> threading.Event:
    """Infer in a thread, forever; the event is set after the first time."""
    begun = threading.Event()

    def work() -> None:
        while True:
            interpreter.invoke()
            begun.set()

    threading.Thread(target=work, daemon=True).start()
    return begun


def ending(action: Callable[[], object]) -> None:
    """Do it and end the process, as a program ends that its main thread leaves."""
    status = 0
    try:
        action()
    except Exception:
        traceback.print_exc()
        status = 1
    ctypes.pythonapi.Py_Exit(status)


def forked(module: Any) -> dict[str, list[int]]:
    """Use Arm NN in children of a process that has used it, and that is using it.

    The youngest thread forks: in the child of another, the emulator of Debian 12 can start no
    thread, for it gives it the number of one of the parent's.
    """
    statuses: dict[str, list[int]] = {}

    def in_children_of_a_thread(actions: Actions) -> None:
        youngest = threading.Thread(target=lambda: statuses.update(in_children(actions) or {}))
        youngest.start()
        youngest.join()

    interpreter, busy = opened(module, 2), opened(module, 2)
    expected = outputs(interpreter)

    def same(make: Callable[[], Any]) -> None:
        for key, values in outputs(make()).items():
            np.testing.assert_array_equal(values, expected[key])

    def fails_or_computes() -> None:
        try:
            busy._interpreter.Invoke()  # without the Python code that may refuse before
        except RuntimeError as error:
            print(error, file=sys.stderr)

    actions: Actions = {
        "the parent's": partial(ending, partial(same, lambda: interpreter)),
        "a new one": partial(ending, partial(same, partial(opened, module, 3))),
        "none": partial(ending, int),
    }
    in_children_of_a_thread(actions)
    keep_computing(busy).wait()
    actions = {f"{name}, beside a thread": action for name, action in actions.items()}
    actions["the thread's own"] = partial(ending, fails_or_computes)
    in_children_of_a_thread(actions)
    return statuses


def raised(module: Any) -> bool:
    """Whether an interpreter computes the same after another was made for more threads."""
    interpreter = opened(module, 1)
    before = outputs(interpreter)
    outputs(opened(module, 4))
    after = outputs(interpreter)
    return all(np.array_equal(after[key], before[key]) for key in before)


def used_after_a_cycle(module: Any) -> int:
    """Bytes that malloc has given out after an interpreter was made, used and deleted."""
    interpreter = opened(module)
    outputs(interpreter)
    del interpreter
    gc.collect()
    return heap.allocated()


if __name__ == "__main__":
    main(*sys.argv[1:])
