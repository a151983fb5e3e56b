"""Use a model with several threads, with pauses: ``threads.py MODEL THREADS TIMES PAUSE``.

Calls ``os.getppid()`` before each inference, after it, and after each of two pauses of that many
seconds that follow. Runs on the emulated system under an instruction counter, which notes these
calls, so it needs nothing but Python 3.7, NumPy and the runtime.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from tflite_runtime.interpreter import Interpreter


def main(model: str, threads: int, times: int, pause: float) -> None:
    """Set the first input to a ramp, and invoke twice and then ``times`` times."""
    interpreter = Interpreter(model, num_threads=threads)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    ramp = np.arange(np.prod(entry["shape"])) % 101
    interpreter.set_tensor(entry["index"], ramp.reshape(entry["shape"]).astype(entry["dtype"]))
    for _ in range(2):
        interpreter.invoke()
    time.sleep(pause)
    for _ in range(times):
        os.getppid()
        interpreter.invoke()
        for _ in range(2):
            os.getppid()
            time.sleep(pause)
        os.getppid()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
