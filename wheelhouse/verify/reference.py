"""The independent reference: what ai-edge-litert computes on this machine, and the tolerances.

Verification compares the outputs of a wheel on each system with the reference's.
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
    """How much an output may differ: ``absolute`` + ``relative`` * its largest magnitude.

    The largest magnitude, not each value's own: rounding errors grow with the terms of a sum, which
    cancel in small values.
    """

    absolute: float
    relative: float = 0.0


TOLERANCES: Mapping[str, Tolerance] = {
    "float32": Tolerance(1e-6, 5e-5),
    "dynamic": Tolerance(1e-6, 1e-3),
    "int8": Tolerance(1),
    "uint8": Tolerance(4),
}
"""By a model's arithmetic; in quanta for INT8 and UINT8.

Measured against this reference on the models of models.py: tflite-runtime 2.14.0 and ai-edge-litert
2.3.0, on x86-64 and on arm64 emulated as Cortex-A72 and A76. FP32: 4e-6 of the largest magnitude at
most, 2.4e-5 on an x86-64 without fused multiply-add. INT8: equal. Dynamic-range: 4e-8. UINT8:
equal, except for XNNPACK on arm64, whose kernels round halves differently: 2 quanta. A comparison
of built-in kernels with XNNPACK's gives 14 quanta for INT8, 24 for UINT8 and 5e-3 for
dynamic-range.
"""


@dataclass(frozen=True)
class Comparison:
    """The largest difference from the reference, ``worst``, and the largest ``allowed`` one.

    Both are in the outputs' unit. ``reason`` says why the outputs fail; it is empty if they pass.
    """

    worst: float
    allowed: float
    reason: str = ""

    @property
    def near(self) -> bool:
        """Whether the outputs are within the tolerance."""
        return not self.reason


def outputs(
    model: bytes, inputs: Mapping[str, NDArray[Any]], *, delegated: bool = True
) -> list[NDArray[Any]]:
    """The outputs of ``model``, a file's content, in the model's order.

    ``inputs`` are by tensor name, signature name or position ("0"); an array of another shape than
    the tensor's resizes it. ``delegated=False`` uses TFLite's built-in kernels, not XNNPACK's,
    which round differently in quantised models: compare like with like.
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
        indices = _input_indices(interpreter)
        for key, values in inputs.items():
            interpreter.resize_tensor_input(indices[key], values.shape)
        interpreter.allocate_tensors()
    for key, values in inputs.items():
        interpreter.set_tensor(indices[key], values)
    interpreter.invoke()
    return [interpreter.get_tensor(item["index"]) for item in interpreter.get_output_details()]


def compare(
    arithmetic: str | Tolerance,
    expected: Sequence[NDArray[Any]],
    actual: Sequence[NDArray[Any]],
) -> Comparison:
    """Compare ``actual`` outputs with the reference's, and return the worst output's comparison.

    ``arithmetic`` is a key of :data:`TOLERANCES`, or a tolerance of its own.
    """
    types = [[(array.shape, array.dtype.name) for array in side] for side in (expected, actual)]
    if types[0] != types[1]:
        return Comparison(np.inf, 0, f"the outputs are {types[1]}, not {types[0]}")
    tolerance = arithmetic if isinstance(arithmetic, Tolerance) else TOLERANCES[arithmetic]
    comparisons = []
    for number, (wanted, given) in enumerate(zip(expected, actual, strict=True)):
        if not np.isfinite(given).all():
            return Comparison(np.inf, 0, f"output {number} holds values that are not finite")
        reference = wanted.astype(np.float64)
        allowed = tolerance.absolute + tolerance.relative * float(np.abs(reference).max())
        worst = float(np.abs(reference - given).max())
        reason = f"output {number} is off by {worst:.3g}, more than {allowed:.3g}"
        comparisons.append(Comparison(worst, allowed, reason if worst > allowed else ""))
    return max(comparisons, key=lambda comparison: comparison.worst / comparison.allowed)


def _input_indices(interpreter: Any) -> dict[str, int]:
    """The inputs' tensor indices by position, tensor name and signature name."""
    details = interpreter.get_input_details()
    indices = {str(position): int(item["index"]) for position, item in enumerate(details)}
    indices |= {item["name"]: int(item["index"]) for item in details}
    for key in interpreter.get_signature_list():
        named = interpreter.get_signature_runner(key).get_input_details()
        indices |= {name: int(item["index"]) for name, item in named.items()}
    return indices


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence standard error, to which the runtime's C++ logs."""
    original = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
