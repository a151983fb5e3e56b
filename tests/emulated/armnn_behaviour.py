"""Do with Arm NN what users do and what once went wrong: ``armnn_behaviour.py MODULE REPORT``.

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
import sys

import numpy as np
import probe
import probe_armnn
import tflite_armnn_delegate as armnn

CYCLES = 30
CHOICES = {"default": {}, "reference": {"backends": ["CpuAcc", "CpuRef"]}}


class Mallinfo(ctypes.Structure):
    """The C library's ``struct mallinfo``."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


mallinfo = ctypes.CDLL(None).mallinfo
mallinfo.restype = Mallinfo


def main(module_name: str, report: str) -> None:
    module = importlib.import_module(module_name)
    names = [path.stem for path in sorted(pathlib.Path().glob("*.tflite"))]
    content = {
        "runs": {name: probe.tried(run, module, name) for name in names},
        "chosen": {choice: probe.tried(run, module, SPARSE, choice) for choice in CHOICES},
        "exception": probe.tried(exception, module),
        "used": [used_after_a_cycle(module) for _ in range(CYCLES)],
    }
    pathlib.Path(report).write_text(json.dumps(content, indent=1), encoding="utf-8")


SPARSE = "face_detection_full_range_sparse"
SMALL = "mobilenet-0.25-96-int8"


def run(module, name, choice="default"):
    """Who runs which operators of a model; its outputs are saved."""
    os.write(2, f"== {name} {choice}\n".encode())
    entry = {"model": f"{name}.tflite", "options": CHOICES[choice], "default": False}
    with probe_armnn.printed() as text:
        interpreter = probe_armnn.opened(module, pathlib.Path(), entry, profiling=True)
        inputs = probe_armnn.inputs(pathlib.Path(), {"inputs": f"{name}.npz"})
        outputs = probe.invoked(interpreter, inputs)
    np.savez(f"{name}-{choice}.out.npz", **outputs)
    workloads = probe_armnn.WORKLOAD.findall(text[0])
    return {"error": None, "delegation": probe.delegation(interpreter), "workloads": workloads}


def exception(module):
    """Ask for what makes Arm NN throw while TFLite applies the delegate."""
    os.write(2, b"== exception\n")
    options = {"disable-tflite-runtime-fallback": "1"}
    delegate = module.load_delegate(armnn.path(), options)
    module.Interpreter("unsupported.tflite", experimental_delegates=[delegate])


def used_after_a_cycle(module):
    """Bytes that malloc has given out after an interpreter was made, used and deleted."""
    entry = {"model": f"{SMALL}.tflite", "options": {}, "default": False}
    interpreter = probe_armnn.opened(module, pathlib.Path(), entry)
    inputs = probe_armnn.inputs(pathlib.Path(), {"inputs": f"{SMALL}.npz"})
    probe.invoked(interpreter, inputs)
    del interpreter
    gc.collect()
    heap = mallinfo()
    return heap.uordblks + heap.hblkhd


if __name__ == "__main__":
    main(*sys.argv[1:])
