"""Run a model once: its file, its inputs and where its outputs go are named."""

import sys

import numpy as np
from tflite_runtime.interpreter import Interpreter

model, inputs, outputs = sys.argv[1:]
interpreter = Interpreter(model_path=model)
interpreter.allocate_tensors()
with np.load(inputs) as given:
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], given[detail["name"]])
interpreter.invoke()
details = interpreter.get_output_details()
np.savez(outputs, *[interpreter.get_tensor(detail["index"]) for detail in details])
print(np.__version__)
