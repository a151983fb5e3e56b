"""Go so many steps with a model, on one thread: ``workload.py MODEL STEPS``.

The first step makes an interpreter, the second allocates its tensors, and each more is an
inference; with 0 there is only the import. Runs on the emulated system under an instruction
counter, so it needs nothing but Python 3.7, NumPy and a runtime.
"""

from __future__ import annotations

import sys

import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped,no-redef]


def main(model: str, steps: int) -> None:
    """Go as many steps as are asked for."""
    if not steps:
        return
    interpreter = Interpreter(model, num_threads=1)
    if steps > 1:
        interpreter.allocate_tensors()
    if steps > 2:
        use(interpreter, steps - 2)


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
