"""Load a model and run it a number of times, on one thread: ``workload.py MODEL TIMES``.

Runs on the emulated system under an instruction counter, so it needs nothing but Python 3.7, NumPy
and a runtime. The counts of two runs with different TIMES above 0 differ by those inferences alone.
"""

from __future__ import annotations

import sys

import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped,no-redef]


def main(model: str, times: int) -> None:
    """Load a model and :func:`use` it, unless ``times`` is 0."""
    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    if times:
        use(interpreter, times)


def use(interpreter: Interpreter, times: int) -> None:
    """Set the first input to a ramp, invoke and get the first output, ``times`` times."""
    entry = interpreter.get_input_details()[0]
    ramp = np.arange(np.prod(entry["shape"])) % 101
    values = ramp.reshape(entry["shape"]).astype(entry["dtype"])
    output = interpreter.get_output_details()[0]["index"]
    for _ in range(times):
        interpreter.set_tensor(entry["index"], values)
        interpreter.invoke()
        interpreter.get_tensor(output)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
