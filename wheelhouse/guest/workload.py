"""Load a model and use it a number of times, on one thread: ``workload.py MODEL TIMES``.

Calls ``os.getppid()`` after the imports, the constructor, the allocation of tensors, the making of
an input, and each use. Runs on the emulated system under an instruction counter, which notes these
calls, so it needs nothing but Python 3.7, NumPy and a runtime.
"""

from __future__ import annotations

import os
import sys

import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped,no-redef]


def main(model: str, times: int) -> None:
    """Set the first input to a ramp, invoke and get the first output, ``times`` times."""
    os.getppid()
    interpreter = Interpreter(model, num_threads=1)
    os.getppid()
    interpreter.allocate_tensors()
    os.getppid()
    entry = interpreter.get_input_details()[0]
    ramp = np.arange(np.prod(entry["shape"])) % 101
    values = ramp.reshape(entry["shape"]).astype(entry["dtype"])
    output = interpreter.get_output_details()[0]["index"]
    os.getppid()
    for _ in range(times):
        interpreter.set_tensor(entry["index"], values)
        interpreter.invoke()
        interpreter.get_tensor(output)
        os.getppid()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
