"""Write small TensorFlow.js graph models."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attributes = dict[str, Any]
FLOAT: Attributes = {"T": {"type": "DT_FLOAT"}}


def text(value: str) -> Attributes:
    """An attribute that is a text."""
    return {"s": base64.b64encode(value.encode()).decode()}


def numbers(*values: int) -> Attributes:
    """An attribute that is a list of numbers."""
    return {"list": {"i": [str(value) for value in values]}}


def texts(*values: str) -> Attributes:
    """An attribute that is a list of texts."""
    return {"list": {"s": [text(value)["s"] for value in values]}}


def sliding(padding: str = "SAME", stride: int = 1, **more: Any) -> Attributes:
    """The attributes of an operator whose window slides over a picture."""
    return {
        **FLOAT,
        "data_format": text("NHWC"),
        "strides": numbers(1, stride, stride, 1),
        "padding": text(padding),
        **more,
    }


def convolving(padding: str = "SAME", stride: int = 1, **more: Any) -> Attributes:
    """The attributes of a convolution."""
    return {**sliding(padding, stride), "dilations": numbers(1, 1, 1, 1), **more}


class GraphModel:
    """A graph model with one input, ``x``, of that shape.

    Example: ``m = GraphModel(1, 4, 4, 3); y = m.add("Relu", "x"); model, weights = m.files()``.
    """

    def __init__(self, *shape: int) -> None:
        size = {"dim": [{"size": str(each)} for each in shape]}
        attributes = {"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": size}}
        self.nodes: list[Any] = [{"name": "x", "op": "Placeholder", "attr": attributes}]
        self.specs: list[Any] = []
        self.data = b""

    def add(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node and return its name."""
        name = name or f"{op}{len(self.nodes)}"
        attributes = attributes or FLOAT
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attributes})
        return name

    def constant(self, values: NDArray[Any], half: bool = False) -> str:
        """Add a constant and return its name; with ``half`` it is stored as FP16."""
        name = f"constant{len(self.nodes)}"
        kind = "DT_INT32" if values.dtype == np.int32 else "DT_FLOAT"
        self.nodes.append({"name": name, "op": "Const", "attr": {"dtype": {"type": kind}}})
        spec: Any = {"name": name, "shape": values.shape, "dtype": values.dtype.name}
        if half:
            spec["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            values = values.astype(np.float16)
        self.specs.append(spec)
        self.data += values.tobytes()
        return name

    def files(self) -> tuple[bytes, bytes]:
        """The JSON file and the file with the weights."""
        content = {
            "format": "graph-model",
            "modelTopology": {"node": self.nodes, "library": {}, "versions": {}},
            "weightsManifest": [{"paths": ["w.bin"], "weights": self.specs}],
        }
        return json.dumps(content).encode(), self.data
