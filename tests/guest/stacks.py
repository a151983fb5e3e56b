"""Compute a model with one thread and with eight: ``stacks MODEL REPORT``.

The report has, with XNNPACK and without, how many new threads have a stack of 8 MiB, and whether
both computed the same. Runs on a system under test, so it needs nothing but Python 3.7,
NumPy and the runtime.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # so that all new threads are the runtime's

import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

THREADS = 8
STACK = 8 << 20
"""The least size, in bytes, of a stack as glibc makes them; the model's own memory is smaller."""


def main(model: str, report: str) -> None:
    """Compute with each kind of kernels and write the report."""
    kinds = {
        "xnnpack": OpResolverType.AUTO,
        "built in": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }
    told = {name: compare(model, kind) for name, kind in kinds.items()}
    Path(report).write_text(json.dumps(told), encoding="utf-8")


def compare(model: str, kind: Any) -> dict[str, Any]:
    """What one kind of kernels computes."""
    one, _ = compute(model, kind, 1)
    before = mappings()
    many, interpreter = compute(model, kind, THREADS)
    added = {place: size for place, size in mappings().items() if before.get(place) != size}
    del interpreter
    stacks = sum(size >= STACK for size in added.values())
    return {"stacks": stacks, "same": bool(np.array_equal(one, many)), "some": bool(one.any())}


def compute(model: str, kind: Any, threads: int) -> tuple[Any, Any]:
    """The model's output, and the interpreter, whose threads end with it."""
    interpreter = Interpreter(model, num_threads=threads, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    ramp = np.arange(np.prod(entry["shape"])) % 101 / 101
    interpreter.set_tensor(entry["index"], ramp.reshape(entry["shape"]).astype(entry["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), interpreter


def mappings() -> dict[str, int]:
    """The size of each mapping that this process may write to, by where it ends."""
    found = {}
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        place, rights = line.split()[:2]
        begin, end = (int(each, 16) for each in place.split("-"))
        if rights.startswith("rw"):
            found[str(end)] = end - begin
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
