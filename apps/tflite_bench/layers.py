"""The time of each layer, from what Arm NN's delegate prints. No other contestant tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median

UNTOLD = "only the delegate armnn tells the time of each operator from Python"

_CONSTANT = "NeonConstantWorkload"
"""A part of such names: weights, which take no time."""

_EVENT = re.compile(
    r'"(?P<name>[^"]+)_Execute_#(?P<number>\d+)": \{.*?'
    r'"Wall clock time_#(?P=number)": \{[^}]*?"raw": \[\s*(?P<microseconds>[\d.]+)',
    re.DOTALL,
)


@dataclass(frozen=True)
class Layer:
    """A layer by Arm NN's name for it, and its time in milliseconds."""

    name: str
    ms: float


def parse(printed: str) -> list[Layer]:
    """The layers in their order, each with its median after its first run, which is slower.

    Each inference prints all events since the first one, so a number may come several times.
    """
    times: dict[str, dict[str, float]] = {}
    for event in _EVENT.finditer(printed):
        runs = times.setdefault(event.group("name"), {})
        runs[event.group("number")] = float(event.group("microseconds")) / 1000
    found = {name: list(runs.values()) for name, runs in times.items() if _CONSTANT not in name}
    return [Layer(name, round(median(ms[1:] or ms), 4)) for name, ms in found.items()]
