"""Scale the channels of a network's inner tensors so that 8 bits hold all of them well.

An INT8 tensor has one scale, which its widest channel decides: the narrow ones lose their bits. A
convolution's output channel can be multiplied by any positive number if the operators after it
divide by the same one, and RELU, PRELU, ADD, pooling and resizing keep it. The network's outputs
stay the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wheelhouse.specimens.conversion.network import RELU, Network, Operator

Ranges = dict[str, tuple[NDArray[Any], NDArray[Any]]]
"""For each tensor the least and the greatest value of each channel, which is the last axis."""

_KEEPS = (
    *("ADD", "LEAKY_RELU", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "PADV2", "PRELU", "RELU"),
    "RESIZE_BILINEAR",
)
"""Operators whose output has the scale of their input, channel by channel."""

_LARGEST = 64.0
"""The largest factor."""


def equalise(network: Network, ranges: Ranges) -> tuple[Network, Ranges]:
    """The network with scaled channels, and its ranges."""
    groups = _Groups(network)
    factors: dict[str, NDArray[Any]] = {}
    for tensors in groups.found():
        factors |= dict.fromkeys(tensors, _factors(network, tensors, ranges))
    scaled = replace(network, operators=[], constants=dict(network.constants))
    scaled.operators = [_scaled(scaled, each, factors) for each in network.operators]
    return scaled, {
        name: (low * factors.get(name, 1), high * factors.get(name, 1))
        for name, (low, high) in ranges.items()
    }


@dataclass
class _Groups:
    """Tensors that must have the same factors; those of a group that is ``fixed`` have none."""

    network: Network
    leader: dict[str, str] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.fixed |= {*self.network.inputs, *self.network.outputs.values()}
        for operator in self.network.operators:
            self._enter(operator)

    def found(self) -> Iterator[list[str]]:
        """The groups that may be scaled."""
        fixed = {self._leader(name) for name in self.fixed}
        members: dict[str, list[str]] = {}
        for name in self.network.shapes:
            members.setdefault(self._leader(name), []).append(name)
        yield from (names for leader, names in members.items() if leader not in fixed)

    def _enter(self, operator: Operator) -> None:
        output = operator.output
        inputs = [name for name in operator.inputs if name not in self.network.constants]
        if operator.activation not in (0, RELU):
            self.fixed.add(output)
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            return
        if operator.name == "MUL" and len(inputs) == 2:
            # One factor of the product may be scaled: that which has a picture's size.
            inputs.sort(key=lambda name: np.prod(self.network.shape(name)), reverse=True)
            self.fixed.add(inputs.pop())
        elif operator.name not in _KEEPS or (operator.name == "ADD" and len(inputs) == 1):
            self.fixed |= {output, *inputs}
            return
        for name in inputs:
            if self.network.shape(name)[-1] != self.network.shape(output)[-1]:
                self.fixed |= {output, name}
            self.leader[self._leader(name)] = self._leader(output)

    def _leader(self, name: str) -> str:
        while name in self.leader and self.leader[name] != name:
            name = self.leader[name]
        return name


def _factors(network: Network, tensors: list[str], ranges: Ranges) -> NDArray[Any]:
    """The factors of a group's channels.

    A depthwise convolution has a scale for each channel and divides for nothing. Other convolutions
    lose precision in their weights, so the factors are smaller there.
    """
    widest = np.max([np.maximum(-low, high) for low, high in (ranges[n] for n in tensors)], axis=0)
    users = [each.name for each in network.operators if each.inputs[0] in tensors]
    power = 0.5 if "CONV_2D" in users else 1.0
    least = max(float(widest.max()), 1e-9) / _LARGEST
    return np.asarray((widest.max() / np.maximum(widest, least)) ** power, np.float64)


def _scaled(network: Network, operator: Operator, factors: Mapping[str, NDArray[Any]]) -> Operator:
    """A convolution with other weights and bias; other operators as they are."""
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return operator
    before, after = factors.get(operator.inputs[0]), factors.get(operator.output)
    weights, bias = (network.constants[name].astype(np.float64) for name in operator.inputs[1:])
    if before is not None:
        weights = weights / before  # the last axis of both kinds of weights is the input's channel
    if after is not None:
        shape = (-1, 1, 1, 1) if operator.name == "CONV_2D" else (1, 1, 1, -1)
        weights, bias = weights * after.reshape(shape), bias * after
    names = (f"{operator.output}/scaled/weights", f"{operator.output}/scaled/bias")
    network.constants |= {
        name: values.astype(np.float32) for name, values in zip(names, (weights, bias), strict=True)
    }
    return replace(operator, inputs=(operator.inputs[0], *names))
