"""From the times of single inferences to figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """The times of a number of ``runs``, in milliseconds, and what the median is per second."""

    runs: int
    median_ms: float
    p5_ms: float
    p95_ms: float
    min_ms: float
    max_ms: float
    mean_ms: float
    fps: float


def summarise(seconds: Sequence[float]) -> Summary:
    """Median, percentiles (between two values by proportion), extremes and mean of times."""
    times = np.asarray(seconds, np.float64) * 1000
    p5, median, p95 = (float(value) for value in np.percentile(times, (5, 50, 95)))
    return Summary(
        runs=len(seconds),
        median_ms=round(median, 6),
        p5_ms=round(p5, 6),
        p95_ms=round(p95, 6),
        min_ms=round(float(times.min()), 6),
        max_ms=round(float(times.max()), 6),
        mean_ms=round(float(times.mean()), 6),
        fps=round(1000 / median, 2),
    )


def is_steady(medians: Sequence[float], within: float = 0.02) -> bool:
    """Whether the last three medians lie within a share (2 %) of the least of them."""
    last = medians[-3:]
    return len(last) == 3 and max(last) - min(last) <= within * min(last)
