"""A network of TFLite's operators on named tensors, between the original and the TFLite file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

Shape = tuple[int, ...]

RELU, RELU6 = 1, 3
"""Values of ``ActivationFunctionType`` of schema.fbs; 0 is none."""

SAME, VALID = 0, 1
"""Values of ``Padding`` of schema.fbs."""

ACTIVATION = "fusedActivationFunction"
"""The field of an operator's options that names its activation."""


@dataclass(frozen=True)
class Operator:
    """One of TFLite's operators; ``options`` are fields of its options table in schema.fbs."""

    name: str
    inputs: tuple[str, ...]
    output: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def activation(self) -> int:
        """The activation of its output, 0 if there is none."""
        return int(self.options.get(ACTIVATION, 0))

    def with_options(self, **options: object) -> Operator:
        """The same operator with other options."""
        return replace(self, options={**self.options, **options})


@dataclass
class Network:
    """A network in FP32; ``operators`` are in an order in which they can run.

    ``inputs`` are names of tensors, ``outputs`` tensors by the names that users see. ``shapes`` has
    the shape of each tensor that is no constant.
    """

    name: str
    inputs: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def shape(self, tensor: str) -> Shape:
        """The shape of a tensor, constant or not."""
        constant = self.constants.get(tensor)
        return self.shapes[tensor] if constant is None else constant.shape

    def producers(self) -> dict[str, Operator]:
        """For each tensor the operator that makes it."""
        return {operator.output: operator for operator in self.operators}

    def uses(self) -> Counter[str]:
        """How often each tensor is an operator's input or an output of the network."""
        found = Counter(name for operator in self.operators for name in operator.inputs)
        found.update(self.outputs.values())
        return found
