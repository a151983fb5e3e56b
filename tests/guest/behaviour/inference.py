"""Setting inputs, running and getting outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

from .files import content
from .models import ROW, computed, opened, ready
from .report import step
from .runner import case, mortal


@case
def run() -> object:
    interpreter = opened("arithmetic")
    return {
        "outputs": computed(interpreter),
        "allocate": step(interpreter.allocate_tensors),
        "invoke": step(interpreter.invoke),
        "set": step(interpreter.set_tensor, 0, ROW),
        "get_input": step(interpreter.get_tensor, 0),
        "numpy_index": step(interpreter.get_tensor, np.int64(2)),
        "subgraph": step(interpreter.get_tensor, 2, 0),
        "again": computed(interpreter, ROW * 2),
    }


@case
def run_mobilenets() -> object:
    return {kind: seen_by_mobilenet(kind) for kind in ("float32", "int8", "uint8")}


@case
def kernels_round_like_the_reference_kernels() -> object:
    """By how many quanta the results lie apart."""
    told = {}
    for kind in ("int8", "uint8"):
        own, reference = (
            seen_by_mobilenet(kind, experimental_op_resolver_type=resolver).astype(int)
            for resolver in (
                OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                OpResolverType.BUILTIN_REF,
            )
        )
        told[kind] = int(abs(own - reference).max())
    return told


def seen_by_mobilenet(kind: str, **options: Any) -> Any:
    """What a MobileNet of a kind answers to a picture."""
    interpreter = ready("mobilenet-0.25-96-" + kind, num_threads=1, **options)
    picture = np.arange(96 * 96 * 3).reshape(1, 96, 96, 3) % 251 - (kind != "uint8") * 125
    interpreter.set_tensor(0, (picture / 128 if kind == "float32" else picture).astype(kind))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@mortal
def unused_results() -> object:
    """What XNNPACK computes of networks in which results are unused, and TFLite's own kernels."""
    interpreter = ready("unused")
    interpreter.set_tensor(0, np.array([[-1, 0, 1, 2]], np.float32))
    interpreter.invoke()
    picture = (np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2) % 5 - 2) / 8
    results = []
    for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        branches = ready("branches", experimental_op_resolver_type=resolver)
        runners = {key: branches.get_signature_runner(key) for key in branches.get_signature_list()}
        results.append({key: runner(x=picture) for key, runner in runners.items()})
    delegated, own = results
    return {
        "unused": interpreter.get_tensor(3),
        "subsets": len(own),
        "different": [
            key
            for key, outputs in own.items()
            for name, values in outputs.items()
            if not np.allclose(delegated[key][name], values, 0, 1e-5)
        ],
    }


@case
def out_of_turn() -> object:
    interpreter = opened("arithmetic")
    fresh = {
        "invoke": step(interpreter.invoke),
        "get": step(interpreter.get_tensor, 2),
        "set": step(interpreter.set_tensor, 0, ROW),
        "view": step(interpreter.tensor(0)),
        "reset": step(interpreter.reset_all_variables),
    }
    interpreter.allocate_tensors()
    interpreter.resize_tensor_input(0, [2, 8])
    return {
        "fresh": fresh,
        "resized": {
            "invoke": step(interpreter.invoke),
            "set": step(interpreter.set_tensor, 0, np.zeros((2, 8), np.float32)),
            "get": step(lambda: interpreter.get_tensor(0).shape),
            "view": step(lambda: interpreter.tensor(0)().shape),
        },
    }


@mortal
def means() -> object:
    """Whether XNNPACK and TFLite's own kernels agree on a convolution of a mean."""
    picture = np.arange(64 * 64 * 72, dtype=np.float32).reshape(1, 64, 64, 72) % 251 / 251
    results = []
    for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        interpreter = ready("means", experimental_op_resolver_type=resolver)
        interpreter.set_tensor(0, picture)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return bool(np.allclose(results[0], results[1], rtol=1e-4))


@mortal
def mean_of_axes_named_again() -> object:
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = ready("axes", experimental_op_resolver_type=resolver)
    interpreter.set_tensor(0, np.full((1, 2, 2, 3), 5, np.int8))
    interpreter.invoke()
    output = interpreter.get_output_details()[0]["index"]
    return interpreter.get_tensor(output).ravel().tolist()


@mortal
def without_a_bias() -> object:
    """The first channel of what XNNPACK and TFLite's own kernels make of ones."""
    results = []
    for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        interpreter = ready("without-bias", experimental_op_resolver_type=resolver)
        interpreter.set_tensor(0, np.ones((1, 4, 4, 2), np.float32))
        interpreter.invoke()
        output = interpreter.get_output_details()[0]["index"]
        results.append(interpreter.get_tensor(output)[0, :, :, 0].astype(int).tolist())
    return results


@mortal
def slopes() -> object:
    """Whether PRELU of 8-bit values is, to the bit, what the reference kernel computes."""
    found = {}
    for name in ("int8", "uint8", "int8-elements"):
        kind = np.dtype(name.split("-")[0])
        values = np.arange(2 * 3 * 5 * 41).reshape(2, 3, 5, 41).astype(kind)
        results = []
        for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
            interpreter = ready(f"slopes-{name}", experimental_op_resolver_type=resolver)
            interpreter.set_tensor(0, values)
            interpreter.invoke()
            results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
        found[name] = [bool((results[0] == results[1]).all()), len(np.unique(results[0])) > 100]
    return found


@mortal
def padded() -> object:
    """Whether PAD puts zeros around values as NumPy does."""
    found = {}
    for kind in ("int8", "float32"):
        values = np.arange(-60, 60, dtype=kind).reshape(2, 3, 4, 5)
        for name in ("all", "pixels", "columns", "rows"):
            interpreter = ready(f"pad-{kind}-{name}")
            interpreter.set_tensor(0, values)
            interpreter.invoke()
            output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
            expected = np.pad(values, interpreter.get_tensor(2).tolist())
            found[f"{kind}-{name}"] = bool(np.array_equal(output, expected))
    return found


@mortal
def resized_weights() -> object:
    """Whether products with weights that are an input are NumPy's, after these are resized."""
    found = {}
    for rows, columns, units, channels in ((2, 4, 5, 4), (2, 4, 3, 2), (4, 4, 3, 8), (2, 7, 3, 7)):
        interpreter = ready("dense")
        x, weights, bias = values = [
            np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 3
            for shape in ((rows, columns), (units, channels), (units,))
        ]
        for index, value in enumerate(values):
            interpreter.resize_tensor_input(index, value.shape)
        interpreter.allocate_tensors()
        for index, value in enumerate(values):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        expected = x.reshape(-1, channels).dot(weights.T) + bias
        output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        same = bool(np.array_equal(output, expected))
        found[f"{rows}x{columns}, {units}x{channels}"] = same
    return found


@case
def tensors_between() -> object:
    """A tensor between two operators, which XNNPACK keeps to itself."""
    interpreter = ready("chain")
    interpreter.set_tensor(0, ROW[:, :4])
    interpreter.invoke()
    return {
        "get": step(interpreter.get_tensor, 1),
        "view": step(interpreter.tensor(1)),
        "set": step(interpreter.set_tensor, 1, ROW[:, :4]),
        "fresh": step(opened("chain").get_tensor, 1),
        "input": step(opened("chain").get_tensor, 0),
        "output": step(interpreter.get_tensor, 3),
    }


@mortal
def constants() -> object:
    """What belongs to the model can be read, not written."""
    told = {}
    for name, interpreter in (
        ("path", ready("gather")),
        ("content", ready_from_content("gather")),
    ):
        view = interpreter.tensor(0)()
        told[name] = {
            "get": interpreter.get_tensor(0),
            "set": step(interpreter.set_tensor, 0, np.zeros(3, np.float32)),
            "view": view.copy(),
            "write": step(view.fill, 0),
        }
        told[name]["after"] = interpreter.get_tensor(0)
    return told


@mortal
def constants_of_int4() -> object:
    """Five elements in three bytes, two of which are in each but the last."""
    interpreter = ready("int4-constant")
    details = interpreter.get_tensor_details()
    (index,) = [item["index"] for item in details if item["name"] == "packed"]
    return {
        "get": interpreter.get_tensor(index),
        "set": step(interpreter.set_tensor, index, np.zeros(5, np.int8)),
        "view": step(interpreter.tensor(index)),
        "after": interpreter.get_tensor(index),
    }


def ready_from_content(name: str) -> Any:
    """As ``ready``, of a model's bytes."""
    interpreter = Interpreter(model_content=content(name))
    interpreter.allocate_tensors()
    return interpreter
