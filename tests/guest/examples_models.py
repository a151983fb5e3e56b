"""Run models of the examples' wheel: NAME,PRECISION for each, its input in INPUTS by its name."""

import sys

import numpy as np
import tflite_examples_models
from tflite_runtime.interpreter import Interpreter

inputs, outputs, *wanted = sys.argv[1:]
given = np.load(inputs)
found = {}
for words in wanted:
    name, precision = words.split(",")
    interpreter = Interpreter(tflite_examples_models.path(name, precision))
    interpreter.allocate_tensors()  # without it a signature runs without XNNPACK
    runner = interpreter.get_signature_runner()
    for output, values in runner(image=given[name]).items():
        found[f"{words},{output}"] = values
np.savez(outputs, **found)  # type: ignore[arg-type]
