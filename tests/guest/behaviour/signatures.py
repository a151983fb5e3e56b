"""Signatures."""

from __future__ import annotations

import numpy as np
from tflite_runtime import interpreter as runtime

from .models import ROW, opened, ready
from .report import step
from .runner import case, mortal


@case
def signature_lists() -> object:
    return {
        name: [
            step(opened(name).get_signature_list),
            step(opened(name)._get_full_signature_list),
            list(opened(name).get_signature_list()),
        ]
        for name in ("arithmetic", "resources", "chain")
    }


@case
def signature_runner() -> object:
    interpreter = ready("arithmetic")
    runner = interpreter.get_signature_runner("arithmetic")
    result = runner(left=ROW, right=ROW)
    return {
        "type": type(runner),
        "result": result,
        "order": list(result),
        "other_order": runner(right=ROW, left=ROW + 1),
        "inputs": runner.get_input_details(),
        "outputs": runner.get_output_details(),
        "only_one": interpreter.get_signature_runner()(left=ROW, right=ROW),
        "resized": runner(left=ROW[:, :3], right=ROW[:, :3]),
        "unallocated": opened("arithmetic").get_signature_runner()(left=ROW, right=ROW),
    }


@case
def signature_runner_refuses() -> object:
    interpreter = ready("arithmetic")
    runner = interpreter.get_signature_runner()
    return {
        "wrong_key": step(interpreter.get_signature_runner, "nothing"),
        "empty_key": step(interpreter.get_signature_runner, ""),
        "number": step(interpreter.get_signature_runner, 3),
        "bytes": step(interpreter.get_signature_runner, b"arithmetic"),
        "no_signature": step(opened("chain").get_signature_runner),
        "no_signature_named": step(opened("chain").get_signature_runner, "arithmetic"),
        "two_signatures": step(opened("resources").get_signature_runner),
        "none": step(runtime.SignatureRunner),
        "no_key": step(runtime.SignatureRunner, interpreter),
        "nothing": step(runner),
        "one": step(runner, left=ROW),
        "too_many": step(runner, left=ROW, right=ROW, more=ROW),
        "wrong_name": step(runner, left=ROW, wrong=ROW),
        "by_position": step(lambda: runner(ROW, ROW)),
        "list": step(runner, left=ROW.tolist(), right=ROW),
        "scalar": step(runner, left=1.0, right=ROW),
        "wrong_type": step(runner, left=ROW.astype(np.int32), right=ROW),
        "after_all": step(runner, left=ROW, right=ROW),
        "shapes_apart": step(runner, left=ROW, right=ROW[:, :3]),
    }


@mortal
def signature_runner_after_failing() -> object:
    runner = ready("arithmetic").get_signature_runner()
    failed = step(runner, left=ROW, right=ROW[:, :3])
    return [failed, step(runner, left=ROW, right=ROW)]


@case
def signature_of_held_view() -> object:
    interpreter = ready("arithmetic")
    runner = interpreter.get_signature_runner()
    held = interpreter.tensor(0)()
    return [step(runner, left=ROW, right=ROW), held.shape, step(interpreter.invoke)]
