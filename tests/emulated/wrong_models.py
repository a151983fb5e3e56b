"""Models that are well-formed flatbuffers and contradict themselves, each in one field."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]

from wheelhouse.specimens.flatbuffer import ModelWriter
from wheelhouse.specimens.kernels import specimens


def wrong_models(right: Mapping[str, bytes]) -> dict[str, bytes]:
    """The wrong models; ``right`` has right ones by name."""
    kernels = {f"kernel-{name}": content for name, (content, _) in kernel_models().items()}
    known = {**{each.name: each.content for each in specimens()}, **kernels, **right}
    return {
        f"wrong-{name}": _changed(known[model], change) for name, (model, change) in _WRONG.items()
    }


def kernel_models() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """For each kernel that takes numbers a model, and right values of all its inputs by name.

    It is one whose integers are inputs, if the kernel has any.
    """
    found: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for specimen in sorted(specimens(), key=lambda each: not each.inputs):
        graph = schema.ModelT.InitFromPackedBuf(specimen.content).subgraphs[0]
        tensors = [graph.tensors[index] for index in graph.inputs]
        if all(tensor.type != schema.TensorType.STRING for tensor in tensors):
            ones = {tensor.name.decode(): np.ones(list(tensor.shape)) for tensor in tensors}
            name = specimen.name.partition("-")[0]
            found.setdefault(name, (specimen.content, {**ones, **specimen.inputs}))
    return found


def _changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(content)
    change(model)
    return ModelWriter.serialise(model)


def _set(path: str, value: Any) -> Callable[[Any], None]:
    """Set what stands at a path, as in ``subgraphs.0.inputs``."""

    def change(model: Any) -> None:
        *words, last = path.split(".")
        for word in words:
            model = model[int(word)] if word.isdigit() else getattr(model, word)
        if last.isdigit():
            model[int(last)] = value
        else:
            setattr(model, last, value)

    return change


def _loop(model: Any) -> None:
    """The else branch is the graph with the operator itself."""
    model.subgraphs[0].operators[0].builtinOptions.elseSubgraphIndex = 0


def _outside(model: Any) -> None:
    """A constant behind the end of the file, at an offset that overflows with its size."""
    model.buffers[1].data = None
    model.buffers[1].offset, model.buffers[1].size = 2**64 - 8, 12


def _two_scales(model: Any) -> None:
    """One for each index of a dimension of size 1."""
    quantization = model.subgraphs[0].tensors[0].quantization
    quantization.scale, quantization.zeroPoint = [0.5, 0.5], [0, 0]


def _again(model: Any) -> None:
    """The operator is there twice, and both write the same tensor."""
    model.subgraphs[0].operators *= 2


def _late(model: Any) -> None:
    """An operator writes what one before has read."""
    graph = model.subgraphs[0]
    made = graph.operators[0].outputs[0]
    graph.tensors.append(graph.tensors[made])
    reader = copy.deepcopy(graph.operators[0])
    reader.inputs, reader.outputs = [made, *reader.inputs[1:]], [len(graph.tensors) - 1]
    graph.operators.insert(0, reader)


_GATHER = "subgraphs.0.operators.0"
_SPARSITY = "subgraphs.0.tensors.2.sparsity"
_INT8 = "mobilenet-0.25-96-int8"
_PICTURE = "subgraphs.0.tensors.0.quantization"

_WRONG: Mapping[str, tuple[str, Callable[[Any], None]]] = {
    "again": ("gather", _again),
    "axis": (_INT8, _two_scales),
    "buffer": ("gather", _outside),
    "constant": ("gather", _set(f"{_GATHER}.outputs", [0])),
    "dimensions": ("gather", _set("subgraphs.0.tensors.0.shape", [1] * 33)),
    "elements": ("gather", _set("subgraphs.0.tensors.1.shape", [1 << 16, 1 << 16])),
    "graph-input": ("gather", _set("subgraphs.0.inputs", [-1])),
    "if": ("if", _set(f"{_GATHER}.builtinOptions.thenSubgraphIndex", -4)),
    "index": ("gather", _set(f"{_GATHER}.inputs", [0, 99])),
    "input-written": ("while", _set("subgraphs.2.operators.0.outputs", [0])),
    "late": ("gather", _late),
    "loop": ("if", _loop),
    "metadata": ("gather", _set("metadata", [schema.MetadataT("name", 99)])),
    "negative": ("gather", _set("subgraphs.0.tensors.1.shape", [-2])),
    "no-outputs": ("gather", _set(f"{_GATHER}.outputs", [])),
    "opcode": ("gather", _set(f"{_GATHER}.opcodeIndex", 9)),
    "optional": ("gather", _set(f"{_GATHER}.inputs", [0, -1])),
    "options": ("detections", _set(f"{_GATHER}.customOptions", [200, 36, 1])),
    "options-missing": ("detections", _set(f"{_GATHER}.customOptions", None)),
    "signature": ("arithmetic", _set("signatureDefs.0.subgraphIndex", 7)),
    "signature-input": ("arithmetic", _set("signatureDefs.0.inputs.0.tensorIndex", 99)),
    "signature-shape": ("gather", _set("subgraphs.0.tensors.1.shapeSignature", [-1, 2])),
    "sparse-column": ("sparse", _set(f"{_SPARSITY}.dimMetadata.1.arrayIndices.values", [2, 9])),
    "sparse-order": ("sparse", _set(f"{_SPARSITY}.traversalOrder", [0, 7])),
    "sparse-rows": ("sparse", _set(f"{_SPARSITY}.dimMetadata.1.arraySegments.values", [0, 2, 1])),
    "sparse-size": ("sparse", _set("buffers.1.data", np.zeros(4, np.uint8))),
    "splits": ("kernel-SPLIT", _set(f"{_GATHER}.builtinOptions.numSplits", 127)),
    "state": ("kernel-SVDF", _set("subgraphs.0.tensors.4.type", schema.TensorType.INT4)),
    "subgraphs": ("gather", _set("subgraphs", None)),
    "twice": ("kernel-SPLIT", _set(f"{_GATHER}.outputs", [2, 2])),
    "type": ("words", _set("subgraphs.0.tensors.1.type", schema.TensorType.INT8)),
    "variant": ("gather", _set("subgraphs.0.tensors.1.type", schema.TensorType.VARIANT)),
    "while": ("while", _set(f"{_GATHER}.builtinOptions.bodySubgraphIndex", 3)),
    "zero-points": (_INT8, _set(f"{_PICTURE}.zeroPoint", [0, 0])),
}
