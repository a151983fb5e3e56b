"""The models of published tables: their sizes, what is in them, and that they compute alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from ai_edge_litert.interpreter import (  # type: ignore[import-untyped]
    Interpreter,
    OpResolverType,
)
from numpy.typing import NDArray

from wheelhouse.specimens import table
from wheelhouse.specimens.models import Model
from wheelhouse.specimens.table import Head, Row, Variant

SHAPES: dict[Head, list[tuple[int, ...]]] = {
    "yolo2": [(1, 7, 7, 30)],
    "yolo3": [(1, 7, 7, 75), (1, 14, 14, 75)],
    "classifier": [(1, 1001)],
    "segmentation": [(1, 224, 224, 21)],
    "embedding": [(1, 128)],
}
VARIANTS: tuple[Variant, ...] = ("float32", "float16", "dynamic", "int8", "sparse")
ALIKE: dict[Variant, float] = {"float16": 0.9999, "dynamic": 0.98, "int8": 0.98}
"""The least correlation of a variant's outputs with those of FP32."""


def outputs(model: Model, kind: Any = OpResolverType.BUILTIN_REF) -> list[NDArray[Any]]:
    opened = Interpreter(model_content=model.content, experimental_op_resolver_type=kind)
    opened.allocate_tensors()
    (first,) = opened.get_input_details()
    opened.set_tensor(first["index"], model.inputs["image"])
    opened.invoke()
    return [opened.get_tensor(each["index"]) for each in opened.get_output_details()]


def operators(model: Model) -> Counter[str]:
    read = schema.ModelT.InitFromPackedBuf(model.content)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in read.operatorCodes]
    return Counter(codes[each.opcodeIndex] for each in read.subgraphs[0].operators)


def test_the_table_has_each_model_once() -> None:
    names = [row.name for row in table.rows()]
    assert len(names) == len({*names}) == 5 * (2 * (4 + 1) + 3)
    assert {"yolo2-0.25-224-int8", "yolo3-1-320-sparse", "embedding-1-224-dynamic"} <= {*names}


@pytest.mark.parametrize(
    ("row", "megabytes"),
    [(Row("yolo2", 0.25, 224, "float32"), 0.89), (Row("yolo3", 1.0, 224, "float32"), 13.1)],
    ids=["0.89", "13.1"],
)
def test_the_files_are_as_large_as_the_published_ones(row: Row, megabytes: float) -> None:
    assert len(row.model.content) / 1e6 == pytest.approx(megabytes, rel=0.05)


@pytest.mark.parametrize("head", SHAPES)
def test_each_head_has_its_outputs_and_xnnpack_computes_them_as_tflite_does(head: Head) -> None:
    model = Row(head, 0.25, 224, "float32").model
    right, delegated = outputs(model), outputs(model, OpResolverType.AUTO)
    assert [each.shape for each in right] == SHAPES[head]
    for one, other in zip(delegated, right, strict=True):
        assert other.std() > 0
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max())


@pytest.mark.parametrize("variant", ALIKE)
def test_a_variant_computes_what_fp32_does(variant: Variant) -> None:
    (right,) = outputs(Row("yolo2", 0.25, 224, "float32").model)
    (found,) = outputs(Row("yolo2", 0.25, 224, variant).model)
    assert np.corrcoef(found.ravel(), right.ravel())[0, 1] > ALIKE[variant]


def test_the_variants_are_stored_as_their_names_say() -> None:
    found = {each: Row("yolo2", 0.25, 224, each).model for each in VARIANTS}
    sizes = {each: len(model.content) for each, model in found.items()}
    assert sizes["float16"] < 0.55 * sizes["float32"]
    assert sizes["dynamic"] < 0.35 * sizes["float32"]
    assert sizes["int8"] < 0.4 * sizes["float32"]
    assert sizes["sparse"] < 0.45 * sizes["float32"]
    assert operators(found["float16"])["DEQUANTIZE"] > 10
    assert operators(found["sparse"])["DENSIFY"] == 13
    assert operators(found["int8"])["QUANTIZE"] == 1
    assert operators(found["float32"]).keys() == {"CONV_2D", "DEPTHWISE_CONV_2D"}


def test_a_sparse_model_keeps_a_fifth_of_its_pointwise_weights() -> None:
    read = schema.ModelT.InitFromPackedBuf(Row("yolo2", 0.25, 224, "sparse").model.content)
    (graph,) = read.subgraphs
    stored = [each for each in graph.tensors if each.sparsity]
    kept = sum(read.buffers[each.buffer].data.size // 4 for each in stored)
    assert kept / sum(np.prod(each.shape) for each in stored) == pytest.approx(0.2, abs=0.01)


def test_they_are_written_one_file_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [Row("yolo2", 0.25, 224, "int8"), Row("yolo2", 0.25, 224, "sparse")]
    monkeypatch.setattr(table, "rows", lambda: iter(chosen))
    paths = list(table.write_all(tmp_path / "new" / "folder"))
    assert [path.name for path in paths] == [f"{row.name}.tflite" for row in chosen]
    assert [path.read_bytes() for path in paths] == [row.model.content for row in chosen]
