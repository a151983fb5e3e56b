"""Run models with Arm NN's delegate and report what happened: ``probe_armnn.py PLAN REPORT``.

Runs inside the system under test, beside ``probe.py``: Python 3.7, NumPy, the runtime and the
delegate only. It judges nothing. Paths in the plan are relative to the plan's folder::

    {"module": "tflite_runtime.interpreter",
     "runs": [{"name": "dense", "model": "dense.tflite", "inputs": "dense.npz",
               "outputs": "dense.out.npz", "options": {"reduce_fp32_to_fp16": true},
               "default": false}],
     "together": ["dense", "other"]}

``options`` are the delegate's; null runs without it. With ``default`` TFLite's default delegate,
XNNPACK, may take what Arm NN leaves. ``together`` are two runs to be repeated at the same time.
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
"""How often each of two interpreters runs beside the other."""

WORKLOAD = re.compile(r"((?:Neon|Ref)[A-Za-z0-9]+)_Execute")
_CONVERSION = re.compile(r"ConvertFp32ToFp16[A-Za-z]*_Execute")
_C = ctypes.CDLL(None)


def main(plan_path: str, report_path: str) -> None:
    """Do what the plan lists and write the report, JSON."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = probe.tried(follow, plan, Path(plan_path).resolve().parent)
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def follow(plan: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The whole report; a run that fails has its error in its place."""
    module = importlib.import_module(plan["module"])
    runs = {entry["name"]: entry for entry in plan["runs"]}
    return {
        "error": None,
        "system": probe.system(module),
        "version": armnn.__version__,
        "refusals": refusals(module),
        "runs": {name: probe.tried(run, module, folder, entry) for name, entry in runs.items()},
        "together": probe.tried(together, module, folder, [runs[n] for n in plan["together"]]),
    }


def refusals(module: Any) -> dict[str, Any]:
    """What becomes of options that there are not."""
    return {
        "option": probe.tried(lambda: armnn.load(num_thread=4)),  # type: ignore[arg-type]
        "backend": probe.tried(lambda: armnn.load(backends="CpuFast")),
        "library's option": probe.tried(
            lambda: module.load_delegate(armnn.path(), {"no-such-option": "1"})
        ),
    }


def run(module: Any, folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """Run one model once, save its outputs and report who ran what."""
    with printed() as text:
        interpreter = opened(module, folder, entry, profiling=True)
        outputs = probe.invoked(interpreter, inputs(folder, entry))
    np.savez(str(folder / entry["outputs"]), **outputs)
    return {
        "error": None,
        "delegation": probe.delegation(interpreter),
        "workloads": sorted(set(WORKLOAD.findall(text[0]))),
        "in_fp16": bool(_CONVERSION.search(text[0])),
    }


def together(module: Any, folder: Path, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Run two models at the same time; how far each one's outputs then are from those alone."""
    found = {}

    def repeat(entry: dict[str, Any], barrier: threading.Barrier) -> None:
        interpreter = opened(module, folder, entry)
        worst = 0.0
        barrier.wait()
        for _ in range(TIMES):
            again = probe.invoked(interpreter, inputs(folder, entry))
            with np.load(str(folder / entry["outputs"])) as alone:
                worst = max(worst, *(distance(again[key], alone[key]) for key in alone.files))
        found[entry["name"]] = worst

    barrier = threading.Barrier(len(entries))
    threads = [threading.Thread(target=repeat, args=(entry, barrier)) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"error": None, "worst": found}


def opened(module: Any, folder: Path, entry: dict[str, Any], **more: Any) -> Any:
    """An interpreter of a run's model with the delegates that the run asks for."""
    delegates = [] if entry["options"] is None else [load(entry["options"], **more)]
    types = module.OpResolverType
    kind = types.AUTO if entry["default"] else types.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return module.Interpreter(
        str(folder / entry["model"]),
        num_threads=1,
        experimental_delegates=delegates,
        experimental_op_resolver_type=kind,
    )


def load(options: dict[str, Any], **more: Any) -> Any:
    """The delegate, on one thread unless told otherwise."""
    return armnn.load(**{"num_threads": 1, **options, **more})


def inputs(folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """A run's inputs, by tensor name or position."""
    with np.load(str(folder / entry["inputs"])) as stored:
        return {key: stored[key] for key in stored.files}


def distance(left: Any, right: Any) -> float:
    """The largest difference of two arrays."""
    return float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max())


@contextmanager
def printed() -> Iterator[list[str]]:
    """Collect what this process, the delegate's C++ included, writes to standard output."""
    text: list[str] = []
    kept = os.dup(1)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 1)
        try:
            yield text
        finally:
            _C.fflush(None)
            os.dup2(kept, 1)
            os.close(kept)
            stream.seek(0)
            text.append(stream.read().decode(errors="replace"))


if __name__ == "__main__":
    main(*sys.argv[1:])
