"""Run models with Arm NN's delegate and report what happened: ``probe_armnn.py PLAN REPORT``.

Runs on the system under test, in the folder of ``probe.py``; it needs nothing else but Python 3.7,
NumPy, the runtime and the delegate. It reports and does not judge. Paths in the plan are relative
to the plan's folder::

    {"module": "tflite_runtime.interpreter",
     "runs": [{"name": "dense", "model": "dense.tflite", "inputs": "dense.npz",
               "outputs": "dense.out.npz", "options": {"reduce_fp32_to_fp16": true},
               "default": false}],
     "together": ["dense", "other"]}

``options`` are the delegate's; null means no Arm NN. With ``default`` TFLite's default delegate,
XNNPACK, may take the operators that Arm NN leaves. ``together`` are runs to be repeated at the same
time, each in a thread.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import probe  # type: ignore[import-not-found]
import tflite_armnn_delegate as armnn

TIMES = 3
"""How often each run of ``together`` is repeated."""

WORKLOAD = re.compile(r"((?:Neon|Ref)[A-Za-z0-9]+)_Execute")
"""A workload's name in Arm NN's profile: Neon... of CpuAcc, Ref... of CpuRef."""
_CONVERSION = re.compile(r"ConvertFp32ToFp16[A-Za-z]*_Execute")
_C = ctypes.CDLL(None)


def main(plan_path: str, report_path: str) -> None:
    """Carry out the plan and write the report as JSON."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = probe.attempt(carry_out, plan, Path(plan_path).resolve().parent)
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def carry_out(plan: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The whole report; for a run that fails it has the error."""
    module = importlib.import_module(plan["module"])
    runs = {entry["name"]: entry for entry in plan["runs"]}
    return {
        "error": None,
        "system": probe.system(module),
        "version": armnn.__version__,
        "refusals": use_unknown_options(module),
        "runs": {name: probe.attempt(run, module, folder, entry) for name, entry in runs.items()},
        "together": probe.attempt(together, module, folder, [runs[n] for n in plan["together"]]),
    }


def use_unknown_options(module: Any) -> dict[str, Any]:
    """What happens when options or backends that do not exist are asked for."""
    return {
        "option": probe.attempt(lambda: armnn.load(num_thread=4)),  # type: ignore[arg-type]
        "backend": probe.attempt(lambda: armnn.load(backends="CpuFast")),
        "library's option": probe.attempt(
            lambda: module.load_delegate(armnn.path(), {"no-such-option": "1"})
        ),
    }


def run(module: Any, folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """Run one model once, save its outputs and report which operators Arm NN ran."""
    with captured_stdout() as text:
        interpreter = make_interpreter(module, folder, entry, profiling=True)
        outputs = probe.infer(interpreter, inputs(folder, entry))
    np.savez(str(folder / entry["outputs"]), **outputs)
    return {
        "error": None,
        "delegation": probe.delegation(interpreter),
        "workloads": sorted(set(WORKLOAD.findall(text[0]))),
        "in_fp16": bool(_CONVERSION.search(text[0])),
    }


def together(module: Any, folder: Path, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Run models at the same time; the largest differences from the outputs that each run saved."""
    differences = {}

    def repeat(entry: dict[str, Any], barrier: threading.Barrier) -> None:
        interpreter = make_interpreter(module, folder, entry)
        worst = 0.0
        barrier.wait()
        for _ in range(TIMES):
            outputs = probe.infer(interpreter, inputs(folder, entry))
            with np.load(str(folder / entry["outputs"])) as saved:
                worst = max(worst, *(distance(outputs[key], saved[key]) for key in saved.files))
        differences[entry["name"]] = worst

    barrier = threading.Barrier(len(entries))
    threads = [threading.Thread(target=repeat, args=(entry, barrier)) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"error": None, "worst": differences}


def make_interpreter(module: Any, folder: Path, entry: dict[str, Any], **options: Any) -> Any:
    """An interpreter for a run's model and delegates; ``options`` are further ones of Arm NN's."""
    delegates = [] if entry["options"] is None else [load(entry["options"], **options)]
    types = module.OpResolverType
    kind = types.AUTO if entry["default"] else types.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return module.Interpreter(
        str(folder / entry["model"]),
        num_threads=1,
        experimental_delegates=delegates,
        experimental_op_resolver_type=kind,
    )


def load(options: dict[str, Any], **more: Any) -> Any:
    """The delegate with these options, and with one thread unless they say otherwise."""
    return armnn.load(**{"num_threads": 1, **options, **more})


def inputs(folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """A run's inputs, by tensor name or position."""
    with np.load(str(folder / entry["inputs"])) as stored:
        return {key: stored[key] for key in stored.files}


def distance(left: Any, right: Any) -> float:
    """The largest difference of two arrays."""
    return float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max())


@contextmanager
def captured_stdout() -> Iterator[list[str]]:
    """Capture standard output, that of C++ included; the list gets its text at the end."""
    text: list[str] = []
    original = os.dup(1)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 1)
        try:
            yield text
        finally:
            _C.fflush(None)
            os.dup2(original, 1)
            os.close(original)
            stream.seek(0)
            text.append(stream.read().decode(errors="replace"))


if __name__ == "__main__":
    main(*sys.argv[1:])
