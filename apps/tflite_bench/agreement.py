"""Whether two contestants computed the same, from their outputs for the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMITS = {"float32": 1e-3, "float16": 1e-2, "quantised": 0.1}
"""How far outputs may lie apart, by the numbers that a model computes with.

Kernels add up in different orders and round in different ways: FP32 outputs then differ by some
1e-6 of their largest value. Quantised ones differ by up to 24 of 255 steps between TensorFlow
Lite's own kernels and XNNPACK's, and neither is wrong.
"""


@dataclass(frozen=True)
class Agreement:
    """How far one contestant's outputs lie from those of another, ``reference``.

    ``worst`` and ``limit`` are shares: of the largest magnitude in an output of floating-point
    numbers, of the 255 steps of 8-bit numbers, of the number of values in an output of other
    integers. ``reason`` is empty if they agree.
    """

    reference: str
    worst: float
    limit: float
    agrees: bool
    reason: str = ""


def compare(
    reference: str,
    expected: Sequence[NDArray[Any]],
    given: Sequence[NDArray[Any]],
    arithmetic: str,
) -> Agreement:
    """Compare the outputs of a model that computes with one of the keys of ``LIMITS``."""
    limit = LIMITS[arithmetic]
    kinds = [
        [f"{each.dtype.name}{list(each.shape)}" for each in side] for side in (expected, given)
    ]
    if kinds[0] != kinds[1]:
        reason = f"the outputs are {', '.join(kinds[1])}, not {', '.join(kinds[0])}"
        return Agreement(reference, 1.0, limit, False, reason)
    shares = [_distance(*pair) for pair in zip(expected, given)]
    worst = max(shares, default=0.0)
    if worst <= limit:
        return Agreement(reference, float(f"{worst:.3g}"), limit, True)
    reason = f"output {shares.index(worst)} is off by {worst:.3g}, more than {limit:g}"
    return Agreement(reference, float(f"{worst:.3g}"), limit, False, reason)


def _distance(expected: NDArray[Any], given: NDArray[Any]) -> float:
    """How far two outputs of one type and shape lie apart, as a share; 1 if one is not finite."""
    if not expected.size:
        return 0.0
    if expected.dtype.kind == "f":
        return _relative(expected.astype(np.float64), given.astype(np.float64))
    if expected.dtype.kind in "iu" and expected.dtype.itemsize == 1:
        return float(np.abs(expected.astype(np.int32) - given.astype(np.int32)).max()) / 255
    return float(np.mean(expected != given))


def _relative(expected: NDArray[Any], given: NDArray[Any]) -> float:
    finite = np.isfinite(expected)
    same_gaps = np.array_equal(expected[~finite].astype(str), given[~finite].astype(str))
    if not same_gaps or not np.isfinite(given[finite]).all():
        return 1.0
    if not finite.any():
        return 0.0
    worst = float(np.abs(expected[finite] - given[finite]).max())
    magnitude = float(np.abs(expected[finite]).max())
    return worst / magnitude if magnitude else min(worst, 1.0)
