"""The independent reference: what ai-edge-litert computes on this machine, and how near is near.

Verification compares an emulated Raspberry Pi's outputs with these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tolerance:
    """How far outputs may lie apart: ``absolute`` + ``relative`` * the output's largest magnitude.

    The largest magnitude stands for the terms of the sums, which cancel in smaller values.
    """

    absolute: float
    relative: float = 0.0


TOLERANCES: Mapping[str, Tolerance] = {
    "float32": Tolerance(1e-6, 2e-5),
    "dynamic": Tolerance(1e-6, 1e-3),
    "int8": Tolerance(1),
    "uint8": Tolerance(4),
}
"""By a model's arithmetic; integers in quanta.

Measured against this reference on the models of models.py: tflite-runtime 2.14.0 and
ai-edge-litert 2.3.0, on x86-64 and on arm64 emulated as Cortex-A72 and A76. FP32: 4e-6 of the
largest magnitude at most. INT8: equal. Dynamic-range: 4e-8. UINT8: equal, but for XNNPACK on
arm64, whose kernels round halves otherwise: 2 quanta. Mistaking built-in kernels for XNNPACK's
gives 14 quanta for INT8, 24 for UINT8 and 5e-3 for dynamic-range.
"""


@dataclass(frozen=True)
class Comparison:
    """How far outputs lie from the reference: ``worst`` of ``allowed``, in the outputs' unit.

    ``reason`` says in words what is wrong; it is empty when the outputs are near enough.
    """

    worst: float
    allowed: float
    reason: str = ""

    @property
    def near(self) -> bool:
        """Whether the outputs are near enough to the reference."""
        return not self.reason


def outputs(
    model: bytes, inputs: Mapping[str, NDArray[Any]], *, delegated: bool = True
) -> list[NDArray[Any]]:
    """The model's outputs, in its order.

    Inputs are by tensor name, signature name or position ("0"); another shape than the model's
    resizes it. ``delegated=False`` keeps to TFLite's built-in kernels, whose quantised results
    differ from XNNPACK's by rounding: compare like with like.
    """
    with _quiet():
        from ai_edge_litert.interpreter import (  # type: ignore[import-untyped]
            Interpreter,
            OpResolverType,
        )

        resolver = OpResolverType.AUTO
        if not delegated:
            resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(
            model_content=model, num_threads=1, experimental_op_resolver_type=resolver
        )
        places = _places(interpreter)
        for key, values in inputs.items():
            interpreter.resize_tensor_input(places[key], values.shape)
        interpreter.allocate_tensors()
    for key, values in inputs.items():
        interpreter.set_tensor(places[key], values)
    interpreter.invoke()
    return [interpreter.get_tensor(item["index"]) for item in interpreter.get_output_details()]


def compare(
    arithmetic: str | Tolerance,
    expected: Sequence[NDArray[Any]],
    actual: Sequence[NDArray[Any]],
) -> Comparison:
    """Compare outputs with the reference's under a model's arithmetic's tolerance, or another."""
    kinds = [[(item.shape, item.dtype.name) for item in side] for side in (expected, actual)]
    if kinds[0] != kinds[1]:
        return Comparison(np.inf, 0, f"the outputs are {kinds[1]}, not {kinds[0]}")
    tolerance = arithmetic if isinstance(arithmetic, Tolerance) else TOLERANCES[arithmetic]
    found = []
    for number, (right, given) in enumerate(zip(expected, actual, strict=True)):
        if not np.isfinite(given).all():
            return Comparison(np.inf, 0, f"output {number} holds values that are not finite")
        reference = right.astype(np.float64)
        allowed = tolerance.absolute + tolerance.relative * float(np.abs(reference).max())
        worst = float(np.abs(reference - given).max())
        reason = f"output {number} is off by {worst:.3g}, more than {allowed:.3g}"
        found.append(Comparison(worst, allowed, reason if worst > allowed else ""))
    return max(found, key=lambda item: item.worst / item.allowed)


def _places(interpreter: Any) -> dict[str, int]:
    """Tensor indices of the inputs by position, tensor name and signature name."""
    details = interpreter.get_input_details()
    places = {str(position): int(item["index"]) for position, item in enumerate(details)}
    places |= {item["name"]: int(item["index"]) for item in details}
    for key in interpreter.get_signature_list():
        named = interpreter.get_signature_runner(key).get_input_details()
        places |= {name: int(item["index"]) for name, item in named.items()}
    return places


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence standard error, to which the runtime's C++ logs."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
