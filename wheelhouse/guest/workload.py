"""Load a model and use it some times, on one thread: ``workload.py MODEL TIMES``.

Runs inside the emulated system under an instruction counter, so it stands alone. Two runs that
differ in TIMES alone differ by just the instructions of the inferences.
"""

from __future__ import annotations

import sys

import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped,no-redef]


def main(model: str, times: int) -> None:
    """Set the first input, to what is not constant, invoke and get the output, ``times`` times."""
    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
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
