"""The models of published tables of frame rates: MobileNetV1 with the heads that people use.

Their weights are random: they find nothing, and cost what trained ones cost. The tables name
0.89 MB for a width of 0.25 with YOLOv2's head for one class, and 13.1 MB for a width of 1 with
YOLOv3's for 20.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from numpy.typing import NDArray

from wheelhouse.common.files import write_whole
from wheelhouse.specimens import networks
from wheelhouse.specimens.conversion import quantise, write
from wheelhouse.specimens.conversion.network import ACTIVATION, RELU6, Network, Operator
from wheelhouse.specimens.conversion.write import LEAST, Writer
from wheelhouse.specimens.flatbuffer import Quantisation
from wheelhouse.specimens.models import Model
from wheelhouse.specimens.networks import Layer

Head = Literal["yolo2", "yolo3", "classifier", "segmentation", "embedding"]
Variant = Literal["float32", "float16", "dynamic", "int8", "sparse"]
"""How weights are stored; ``float16`` and ``sparse`` compute in FP32.

XNNPACK computes ``sparse`` ones with its dense kernels: an inference costs the same instructions.
"""

WIDTHS, SIDES = (0.25, 0.5, 0.75, 1.0), (224, 320)

BOX = 5
"""The values of a box besides its classes: its place, its size and whether it is an object."""

YOLO2, YOLO3 = 5 * (BOX + 1), 3 * (BOX + 20)
"""The values of a cell: of five anchors with one class, and of three with 20."""

CLASSES, FEATURES = 1001, 128
AREAS = 21
"""The classes of a pixel: PASCAL VOC's 20, and the background."""

_FINE = 22
"""The number of convolutions up to the last one whose output has a sixteenth of the side."""

_KEPT = 0.2
"""The part of the weights of a sparse model's pointwise convolutions that are not 0."""

_MEAN = 1.494
"""The mean of an activation: of a normal variable with ``networks``' centre and spread, clipped."""

_SEED = 2009_10934


@dataclass(frozen=True)
class Row:
    """A model of the table: a head on MobileNetV1 of a width, for pictures of a side, in pixels."""

    head: Head
    width: float
    side: int
    variant: Variant

    @property
    def name(self) -> str:
        """As in ``yolo2-0.25-224-int8``."""
        return f"{self.head}-{self.width:g}-{self.side}-{self.variant}"

    @property
    def model(self) -> Model:
        """The model; its input is (1, side, side, 3), of -1 to 1, in FP32."""
        picture = networks.pictures(1, self.side, seed=7)[0]
        example = np.asarray(networks.network_input("float32", picture), np.float32)
        arithmetic = self.variant if self.variant in ("dynamic", "int8") else "float32"
        since = "2.22" if self.variant == "dynamic" else Model.since
        content = self._content(example)
        return Model(self.name, arithmetic, content, {write.INPUT: example}, since=since)

    def _content(self, example: NDArray[np.float32]) -> bytes:
        network = _network(self)
        if self.variant == "int8":
            return quantise.int8_model(network, quantise.calibrate(network, [example]))
        return write.float_model(network, _WRITERS.get(self.variant, Writer))


def rows() -> Iterator[Row]:
    """All models of the table."""
    for variant in get_args(Variant):
        for side in SIDES:
            for width in WIDTHS:
                yield Row("yolo2", width, side, variant)
            yield Row("yolo3", 1.0, side, variant)
        for head in ("classifier", "segmentation", "embedding"):
            yield Row(head, 1.0, 224, variant)


def write_all(folder: Path) -> Iterator[Path]:
    """Write the models into a folder, one file each; gives the path of each that is written."""
    for row in rows():
        path = folder / f"{row.name}.tflite"
        write_whole(path, row.model.content)
        yield path


@dataclass
class _Builder:
    """A network that grows; ``random`` makes the weights of its head."""

    network: Network
    random: np.random.RandomState = field(default_factory=lambda: np.random.RandomState(_SEED))

    def add(
        self,
        name: str,
        inputs: tuple[str, ...],
        output: str,
        shape: tuple[int, ...],
        **options: Any,
    ) -> str:
        """Add an operator; returns ``output``."""
        self.network.operators.append(Operator(name, inputs, output, options))
        self.network.shapes[output] = shape
        return output

    def layer(self, before: str, layer: Layer, output: str, **options: Any) -> str:
        """Add a convolution or dense layer with its weights and bias."""
        _, height, width, _ = self.network.shapes[before]
        shape = (1, -(-height // layer.stride), -(-width // layer.stride), layer.scale.size)
        weights, bias = f"{output}/weights", f"{output}/bias"
        self.network.constants |= {weights: layer.real, bias: layer.bias.astype(np.float32)}
        strides = {"strideW": layer.stride, "strideH": layer.stride, **options}
        return self.add(layer.operator, (before, weights, bias), output, shape, **strides)

    def head(self, before: str, channels: int, output: str) -> str:
        """Add a pointwise convolution without activation, of random weights."""
        inputs = self.network.shapes[before][-1]
        weights = self.random.randint(-127, 128, (channels, 1, 1, inputs)).astype(np.int8)
        scale = np.full(channels, 1 / (127 * np.sqrt(inputs)))
        return self.layer(before, Layer("CONV_2D", weights, 1, scale, np.zeros(channels)), output)

    def dense(self, before: str, count: int, output: str) -> str:
        """Add the means of channels and a dense layer of random weights on them."""
        channels = self.network.shapes[before][-1]
        values = self.random.randint(-127, 128, (count, channels)) / (127 * np.sqrt(channels))
        self.network.constants |= {
            "axes": np.array([1, 2], np.int32),
            f"{output}/weights": values.astype(np.float32),
            f"{output}/bias": np.zeros(count, np.float32),
        }
        means = self.add("MEAN", (before, "axes"), "means", (1, channels))
        inputs = (means, f"{output}/weights", f"{output}/bias")
        return self.add("FULLY_CONNECTED", inputs, output, (1, count))


def _network(row: Row) -> Network:
    made = _Builder(Network(row.name, ["picture"], shapes={"picture": (1, row.side, row.side, 3)}))
    current, places = "picture", []
    *convolutions, _ = networks.layers(row.width, row.side)
    for number, layer in enumerate(convolutions):
        chosen = _thinned(layer, number) if row.variant == "sparse" else layer
        depth = {"depthMultiplier": 1} if layer.axis else {}
        options = {ACTIVATION: RELU6, **depth}
        current = made.layer(current, chosen, f"layer{number}", **options)
        places.append(current)
    made.network.outputs = _HEADS[row.head](made, places[_FINE], current, row.side)
    if row.variant == "float16":
        for name, values in made.network.constants.items():
            if values.size >= LEAST:
                made.network.constants[name] = values.astype(np.float16).astype(np.float32)
    return made.network


def _thinned(layer: Layer, seed: int) -> Layer:
    """A pointwise convolution without most of its weights; its sums keep their distribution."""
    if layer.axis or layer.weights.shape[1] > 1:
        return layer
    count = max(round(_KEPT * layer.weights.shape[3]), 1)
    order = np.random.RandomState(seed).uniform(size=layer.weights.shape).argsort(axis=3)
    weights = np.where(order.argsort(axis=3) < count, layer.weights, 0).astype(np.int8)
    before, after = (each.astype(np.float64)[:, 0, 0] for each in (layer.weights, weights))
    energy = np.square(before).sum(1) / np.maximum(np.square(after).sum(1), 1)
    scale = layer.scale * np.sqrt(energy)
    lost = before.sum(1) * layer.scale - after.sum(1) * scale
    return Layer(layer.operator, weights, layer.stride, scale, layer.bias + _MEAN * lost)


def _yolo2(made: _Builder, fine: str, last: str, side: int) -> dict[str, str]:
    return {"boxes": made.head(last, YOLO2, "coarse")}


def _yolo3(made: _Builder, fine: str, last: str, side: int) -> dict[str, str]:
    return {
        "boxes": made.head(last, YOLO3, "coarse"),
        "small boxes": made.head(fine, YOLO3, "fine"),
    }


def _classifier(made: _Builder, fine: str, last: str, side: int) -> dict[str, str]:
    logits = made.dense(last, CLASSES, "logits")
    return {"classes": made.add("SOFTMAX", (logits,), "classes", (1, CLASSES), beta=1.0)}


def _segmentation(made: _Builder, fine: str, last: str, side: int) -> dict[str, str]:
    areas = made.head(last, AREAS, "coarse")
    made.network.constants["size"] = np.array([side, side], np.int32)
    shape = (1, side, side, AREAS)
    options = {"halfPixelCenters": True}
    return {"areas": made.add("RESIZE_BILINEAR", (areas, "size"), "areas", shape, **options)}


def _embedding(made: _Builder, fine: str, last: str, side: int) -> dict[str, str]:
    dense = made.dense(last, FEATURES, "dense")
    return {"features": made.add("L2_NORMALIZATION", (dense,), "features", (1, FEATURES))}


_HEADS: Mapping[Head, Callable[[_Builder, str, str, int], dict[str, str]]] = {
    "yolo2": _yolo2,
    "yolo3": _yolo3,
    "classifier": _classifier,
    "segmentation": _segmentation,
    "embedding": _embedding,
}


class _DynamicWriter(Writer):
    """Stores weights as INT8 with a scale for each output channel."""

    versions: ClassVar = networks.VERSIONS["dynamic"]

    def weights(self, name: str, values: NDArray[Any]) -> int:
        if values.ndim < 2:
            return self.constant(name, values)
        axis = 3 if values.ndim == 4 and values.shape[0] == 1 else 0
        others = tuple(each for each in range(values.ndim) if each != axis)
        scales = np.abs(values.astype(np.float64)).max(axis=others, keepdims=True) / 127
        stored = np.rint(values / scales).astype(np.int8)
        return self.constant(name, stored, Quantisation(tuple(scales.ravel().tolist()), axis=axis))


class _SparseWriter(Writer):
    """Stores the weights of which most are 0 without those; DENSIFY restores them."""

    def weights(self, name: str, values: NDArray[Any]) -> int:
        if values.ndim != 4 or (values != 0).mean() > 0.5:
            return self.constant(name, values)
        stored = self.constant(f"{name}/sparse", values[values != 0])
        self._tensors[stored].shape = list(values.shape)
        self._tensors[stored].sparsity = _compressed(values)
        whole = self.tensor(name, values.shape, "float32")
        self.operator("DENSIFY", 1, [stored], [whole])
        return whole


_WRITERS: Mapping[Variant, type[Writer]] = {"dynamic": _DynamicWriter, "sparse": _SparseWriter}


def _compressed(values: NDArray[Any]) -> Any:
    """Compressed rows of pointwise weights (out, 1, 1, in), as schema.fbs describes them."""
    rows = [np.flatnonzero(row) for row in values.reshape(len(values), -1)]
    segments = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    dense = [
        schema.DimensionMetadataT(format=schema.DimensionType.DENSE, denseSize=size)
        for size in values.shape[:3]
    ]
    sparse = schema.DimensionMetadataT(
        format=schema.DimensionType.SPARSE_CSR,
        arraySegmentsType=schema.SparseIndexVector.Int32Vector,
        arraySegments=schema.Int32VectorT(segments),
        arrayIndicesType=schema.SparseIndexVector.Uint16Vector,
        arrayIndices=schema.Uint16VectorT(np.concatenate(rows).astype(np.uint16)),
    )
    return schema.SparsityParametersT(traversalOrder=[0, 1, 2, 3], dimMetadata=[*dense, sparse])
