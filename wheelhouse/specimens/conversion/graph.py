"""Read TensorFlow.js graph models: a JSON file with the graph, and a file with its weights."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wheelhouse.common.errors import WheelhouseError

HINT = "Teach wheelhouse/specimens/conversion this, with a test against TensorFlow.js."

Value = str | bool | int | float | tuple[Any, ...]
"""An attribute's value: a type's name, text, a flag, a number, a shape, or a list of these."""

_DTYPES: Mapping[tuple[str, str], np.dtype[Any]] = {
    ("float32", ""): np.dtype("<f4"),
    ("float32", "float16"): np.dtype("<f2"),
    ("int32", ""): np.dtype("<i4"),
}
"""How a weight is stored, by its dtype and the dtype that it is quantised to."""


class UnsupportedError(WheelhouseError):
    """A model that the converter does not know how to convert."""

    def __init__(self, model: str, node: str, problem: str) -> None:
        super().__init__(f"{model}: the node {node} {problem}.", HINT)


@dataclass
class Node:
    """An operation of a graph; ``inputs`` are names of nodes.

    ``attributes`` are those that no one has asked for: a converter must ask for each, because one
    that it ignores may change the result.
    """

    model: str
    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Value] = field(default_factory=dict)

    def take(self, name: str, *allowed: Value, default: Value | None = None) -> Any:
        """Remove an attribute and return its value.

        Raises UnsupportedError if there is none and no default, or if it is not an allowed value;
        any is allowed if none is given.
        """
        value = self.attributes.pop(name, default)
        if value is None:
            raise self.unsupported(f"has no attribute {name}")
        if allowed and value not in allowed:
            known = " or ".join(map(repr, allowed))
            raise self.unsupported(f"has {name} = {value!r}, not {known}")
        return value

    def done(self) -> None:
        """Raise UnsupportedError if it has attributes that no one has asked for."""
        for name, value in self.attributes.items():
            if not name.startswith("_grappler"):
                raise self.unsupported(f"has the unknown attribute {name} = {value!r}")

    def unsupported(self, problem: str) -> UnsupportedError:
        """An error that names this node."""
        return UnsupportedError(self.model, f"{self.name} ({self.op})", problem)


@dataclass(frozen=True)
class Graph:
    """A graph: its nodes, and its constants by the name of their node."""

    name: str
    nodes: Mapping[str, Node]
    constants: Mapping[str, NDArray[Any]]


def read(name: str, model: bytes, weights: bytes) -> Graph:
    """Read the JSON file and the file with the weights; ``name`` is for messages.

    Raises WheelhouseError if they are not a graph model, or have something unknown.
    """
    try:
        content = json.loads(model)
        topology = content["modelTopology"]
        if topology.get("library", {}).get("function"):
            raise UnsupportedError(name, "library", "has functions")
        nodes = [_node(name, row) for row in topology["node"]]
        rows = [row for group in content["weightsManifest"] for row in group["weights"]]
        constants = _constants(name, rows, weights)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WheelhouseError(
            f"{name} is no TensorFlow.js graph model: {error!r}.",
            "Give the model.json of a graph model and its weights.",
        ) from error
    return Graph(name, {node.name: node for node in nodes}, constants)


def _node(model: str, row: Mapping[str, Any]) -> Node:
    attributes = {
        key: _value(value)
        for key, value in row.get("attr", {}).items()
        if key != "value"  # a constant's, which is among the weights
    }
    return Node(model, row["name"], row["op"], tuple(row.get("input", ())), attributes)


def _value(attribute: Mapping[str, Any]) -> Value:
    ((kind, value),) = attribute.items()
    if kind == "list":
        return tuple(_value({each: one}) for each, many in value.items() for one in many)
    if kind == "shape":
        return tuple(int(size["size"]) for size in value.get("dim", ()))
    if kind == "s":
        return base64.b64decode(value).decode()
    converted: Value = {"type": str, "b": bool, "i": int, "f": float}[kind](value)
    return converted


def _constants(
    model: str, rows: list[Mapping[str, Any]], weights: bytes
) -> dict[str, NDArray[Any]]:
    found, start = {}, 0
    for row in rows:
        quantised = row.get("quantization", {}).get("dtype", "")
        dtype = _DTYPES.get((row["dtype"], quantised))
        if dtype is None:
            kind = f"{row['dtype']} as {quantised}" if quantised else row["dtype"]
            raise UnsupportedError(model, row["name"], f"has weights of the type {kind}")
        count = int(np.prod(row["shape"], dtype=int))
        values = np.frombuffer(weights, dtype, count, start).reshape(row["shape"])
        found[row["name"]] = values.astype(np.dtype(row["dtype"]))
        start += values.nbytes
    if start != len(weights):
        raise ValueError(f"{len(weights)} bytes of weights, not {start}")
    return found
