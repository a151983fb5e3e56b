"""What an interpreter tells of its model."""

from __future__ import annotations

from .models import opened, ready
from .report import step
from .runner import case, mortal


@case
def details() -> object:
    interpreter = ready("arithmetic")
    return {
        "inputs": interpreter.get_input_details(),
        "outputs": interpreter.get_output_details(),
        "tensors": interpreter.get_tensor_details(),
        "keys": list(interpreter.get_input_details()[0]),
    }


@case
def details_of_every_type() -> object:
    return ready("types").get_input_details()


@case
def details_of_quantised_tensors() -> object:
    interpreter = ready("mobilenet-0.25-96-int8")
    told = interpreter.get_tensor_details()
    return {"count": len(told), "first": told[:4], "last": told[-3:]}


@case
def details_of_open_shapes() -> object:
    interpreter = opened("resizable")
    before = interpreter.get_input_details()
    interpreter.resize_tensor_input(0, [1, 4, 4, 3])
    interpreter.allocate_tensors()
    return [before, interpreter.get_input_details(), interpreter.get_output_details()]


@mortal
def details_of_sparse_tensors_without_blocks() -> object:
    details = {item["name"]: item for item in opened("sparse-without-blocks").get_tensor_details()}
    return details["sparse"]["sparsity_parameters"]


@case
def details_of_sparse_tensors() -> object:
    interpreter = ready("sparse")
    index = {item["name"]: item["index"] for item in interpreter.get_tensor_details()}["sparse"]
    return {
        "details": interpreter._get_tensor_details(index, 0),
        "content": step(interpreter.get_tensor, index),
        "view": step(interpreter.tensor(index)),
    }


@case
def details_of_nothing() -> object:
    interpreter = ready("arithmetic")
    return {
        "beyond": step(interpreter._get_tensor_details, 99, 0),
        "negative": step(interpreter._get_tensor_details, -1, 0),
        "text": step(interpreter._get_tensor_details, "0", 0),
        "name": step(interpreter._interpreter.TensorName, 99, 0),
    }


@mortal
def details_of_a_missing_subgraph() -> object:
    return [step(ready("arithmetic")._get_tensor_details, 0, number) for number in (9, -1)]


@mortal
def tensors_of_a_missing_subgraph() -> object:
    return [step(ready("arithmetic")._interpreter.NumTensors, number) for number in (9, -1)]


@case
def details_of_a_second_subgraph() -> object:
    interpreter = opened("resources")
    count = interpreter._interpreter.NumTensors(1)
    return [interpreter._get_tensor_details(index, 1) for index in range(count)]


@case
def operators() -> object:
    interpreter = opened("arithmetic")
    before = interpreter._get_ops_details()
    interpreter.allocate_tensors()
    return {
        "before": before,
        "after": interpreter._get_ops_details(),
        "beyond": step(interpreter._get_op_details, 99),
        "negative": step(interpreter._get_op_details, -1),
        "name": step(interpreter._interpreter.NodeName, 99),
        "negative_name": step(interpreter._interpreter.NodeName, -1),
    }


@case
def native_handle() -> object:
    interpreter = opened("arithmetic")
    handle = interpreter._native_handle()
    same = handle == interpreter._interpreter.interpreter() == interpreter._native_handle()
    return [type(handle), handle != 0, same]


@case
def indices() -> object:
    wrapper = opened("arithmetic")._interpreter
    nothing = opened("uninitialised")._interpreter
    return [wrapper.InputIndices(), wrapper.OutputIndices(), nothing.InputIndices()]
