"""Variables: tensors and resources that keep their value."""

from __future__ import annotations

import numpy as np

from .models import opened, ready
from .report import step
from .runner import case, mortal


@case
def variable_tensors() -> object:
    interpreter = ready("state")

    def add(value: int) -> object:
        interpreter.set_tensor(0, np.array([[value]], np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    first = [add(1), add(2)]
    return [first, step(interpreter.reset_all_variables), add(5), step(add, 1)]


@case
def resource_variables() -> object:
    interpreter = ready("resources")
    assign = interpreter.get_signature_runner("assign")
    read = interpreter.get_signature_runner("read")
    added = np.array([10, 20], np.float32)
    return {
        "unset": step(read, added=added),
        "assign": step(assign, value=np.array([1, 2], np.float32)),
        "read": step(read, added=added),
        "again": [step(assign, value=added), step(read, added=added)],
        "reset": [step(interpreter.reset_all_variables), step(read, added=added)],
        "subgraph": [read._subgraph_index, assign._subgraph_index],
        "another": step(ready("resources").get_signature_runner("read"), added=added),
        "alone": step(ready("uninitialised").invoke),
        "handle_type": step(interpreter._interpreter.TensorType, 0, 0),
    }


@case
def second_subgraph() -> object:
    wrapper = opened("resources")._interpreter
    return [
        step(wrapper.AllocateTensors, 0),
        step(wrapper.AllocateTensors, 1),
        step(wrapper.SetTensor, 1, np.array([1, 2], np.float32)),
        step(wrapper.Invoke, 0),
        step(wrapper.SetTensor, 1, np.array([3, 3], np.float32), 1),
        step(wrapper.Invoke, subgraph_index=1),
        step(wrapper.GetTensor, 3, 1),
        step(wrapper.NumTensors, 0),
        step(wrapper.NumTensors, 1),
    ]


@mortal
def resource_handle_as_a_value() -> object:
    interpreter = ready("resources")
    interpreter.get_signature_runner("assign")(value=np.array([1, 2], np.float32))
    return interpreter.get_tensor(0).dtype.str
