"""What the converter of TensorFlow.js models takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

from tests.support.graphs import (
    FLOAT,
    Attributes,
    GraphModel,
    convolving,
    numbers,
    sliding,
    text,
    texts,
)
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.specimens.conversion import equalise, graph, quantise, simplify, translate, write
from wheelhouse.specimens.conversion.network import Network

RANDOM = np.random.RandomState(5)


def values(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype(np.float32)


def network(model: GraphModel, output: str, simple: bool = True) -> Network:
    found = translate.translate(graph.read("small", *model.files()), {"y": output})
    if simple:
        simplify.simplify(found)
    return found


def operators(model: GraphModel, output: str) -> list[str]:
    return [operator.name for operator in network(model, output).operators]


def run(content: bytes, picture: Any) -> Any:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


# What is refused


def convolution(**changed: Any) -> GraphModel:
    model = GraphModel(-1, 8, 8, 3)
    weights = model.constant(values(3, 3, 3, 4))
    model.add("Conv2D", "x", weights, name="y", **{**convolving(), **changed})
    return model


def unary(op: str, **attributes: Any) -> GraphModel:
    model = GraphModel(-1, 8, 8, 3)
    model.add(op, "x", name="y", **attributes)
    return model


def open_size() -> GraphModel:
    model = GraphModel(-1, -1, 8, 3)
    model.add("Relu", "x", name="y")
    return model


def missing_node() -> GraphModel:
    model = GraphModel(-1, 8, 8, 3)
    model.add("Add", "x", "nowhere", name="y")
    return model


def variable_weights() -> GraphModel:
    model = GraphModel(1, 8, 8, 3)
    model.add("Conv2D", "x", "x", name="y", **convolving())
    return model


def fused(*operations: str) -> GraphModel:
    model = GraphModel(-1, 8, 8, 3)
    inputs = [model.constant(values(3, 3, 3, 4)), model.constant(values(4))]
    more: Attributes = {"num_args": {"i": "1"}, "fused_ops": texts(*operations)}
    model.add("_FusedConv2D", "x", *inputs, name="y", **convolving(**more))
    return model


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: unary("Cosh"), r"y \(Cosh\) has an operator that is not known"),
        (lambda: unary("Relu", T={"type": "DT_INT32"}), r"T = 'DT_INT32', not 'DT_FLOAT'"),
        (lambda: unary("Relu", **FLOAT, slope={"f": 0.1}), "unknown attribute slope = 0.1"),
        (lambda: unary("MaxPool", **sliding(ksize=numbers(1, 2, 2, 3))), "over channels"),
        (lambda: convolution(padding=text("EXPLICIT")), "padding = 'EXPLICIT', not 'SAME'"),
        (lambda: convolution(data_format=text("NCHW")), "data_format = 'NCHW', not 'NHWC'"),
        (lambda: convolution(strides=numbers(1, 1, 1, 2)), r"strides \(1, 1, 1, 2\)"),
        (lambda: convolution(dilations=numbers(1, 2, 2, 1)), r"dilations = \(1, 2, 2, 1\)"),
        (lambda: convolution(explicit_paddings=numbers(1)), r"explicit_paddings = \(1,\)"),
        (lambda: fused("BiasAdd", "Elu"), r"fused_ops = \('BiasAdd', 'Elu'\)"),
        (lambda: fused(), r"fuses \(\) with 3 inputs"),
        (open_size, "more than a batch varies"),
        (missing_node, "the node nowhere does not exist"),
        (variable_weights, "the input x, which is not constant"),
    ],
)
def test_what_is_not_known_is_refused_by_model_and_node(
    make: Callable[[], GraphModel], problem: str
) -> None:
    with pytest.raises(WheelhouseError, match=problem) as failure:
        network(make(), "y")
    assert failure.value.what.startswith("small: the node ")


def test_weights_of_another_type_are_refused() -> None:
    model = GraphModel(1, 4)
    model.constant(values(4))
    model.specs[0]["quantization"] = {"dtype": "uint8", "scale": 0.1, "min": 0}
    with pytest.raises(WheelhouseError, match="weights of the type float32 as uint8"):
        network(model, "x")


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: data + b"\0" * 4])
def test_weights_of_another_length_are_refused(change: Callable[[bytes], bytes]) -> None:
    model = GraphModel(1, 4)
    model.constant(values(4))
    content, data = model.files()
    with pytest.raises(WheelhouseError, match=r"small is no TensorFlow\.js graph model"):
        graph.read("small", content, change(data))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"modelTopology": {"node": 1}}'])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(WheelhouseError, match=r"small is no TensorFlow\.js graph model"):
        graph.read("small", content, b"")


def test_what_cannot_be_written_is_an_error_and_no_model() -> None:
    with pytest.raises(ValueError, match="y is left as ABS"):
        write.float_model(network(unary("Abs"), "y"))


# What is joined


def prelu(slopes: Any) -> GraphModel:
    model = GraphModel(1, 4, 4, 3)
    positive, absolute = model.add("Relu", "x"), model.add("Abs", "x")
    difference = model.add("Sub", "x", absolute)
    negative = model.add("Mul", difference, model.constant(slopes / 2))
    model.add("Add", positive, negative, name="y")
    return model


def test_a_prelu_in_five_operators_is_one() -> None:
    slopes = np.array([0.1, 0.5, 2], np.float32)
    model = prelu(slopes)
    assert operators(model, "y") == ["PRELU"]
    picture = values(1, 4, 4, 3)
    found = run(write.float_model(network(model, "y")), picture)
    np.testing.assert_allclose(found, np.where(picture > 0, picture, picture * slopes), rtol=1e-6)


def clipped(upper: float, lower: float = 0) -> GraphModel:
    model = GraphModel(1, 4, 4, 3)
    relu = model.add("Relu", "x")
    least = model.add("Minimum", relu, model.constant(np.float32(upper)))
    model.add("Maximum", least, model.constant(np.float32(lower)), name="y")
    return model


def test_a_relu_between_0_and_6_is_a_relu6_and_others_are_not() -> None:
    assert operators(clipped(6), "y") == ["RELU6"]
    assert operators(clipped(5), "y") == ["RELU", "MINIMUM", "MAXIMUM"]
    assert operators(clipped(6, 1), "y") == ["RELU6", "MAXIMUM"]


def test_a_result_that_is_used_twice_stays() -> None:
    model = GraphModel(1, 8, 8, 3)
    product = model.add("Conv2D", "x", model.constant(values(1, 1, 3, 3)), **convolving())
    scaled = model.add("Mul", product, model.constant(values(3)))
    model.add("Add", product, scaled, name="y")
    assert operators(model, "y") == ["CONV_2D", "MUL", "ADD"]


def test_a_factor_that_is_no_channels_is_not_taken_into_weights() -> None:
    model = GraphModel(1, 8, 8, 3)
    product = model.add("Conv2D", "x", model.constant(values(1, 1, 3, 3)), **convolving())
    model.add("Mul", product, model.constant(values(1, 8, 8, 1)), name="y")
    assert operators(model, "y") == ["CONV_2D", "MUL"]


# What is written


def deep() -> GraphModel:
    """Two convolutions with channels of very different ranges between them."""
    random = np.random.RandomState(7)
    sizes = np.geomspace(0.01, 10, 32, dtype=np.float32)
    model = GraphModel(-1, 16, 16, 3)
    wide = random.normal(size=(3, 3, 3, 32)).astype(np.float32) * sizes
    first = model.add("Conv2D", "x", model.constant(wide), **convolving())
    relu = model.add("Relu", first)
    narrow = random.normal(size=(3, 3, 32, 8)).astype(np.float32) / sizes[:, np.newaxis]
    model.add("Conv2D", relu, model.constant(narrow, half=True), name="y", **convolving())
    return model


def test_weights_that_fp16_holds_are_stored_so() -> None:
    content = write.float_model(network(deep(), "y"))
    model = schema.ModelT.InitFromPackedBuf(content)
    kinds = [tensor.type for tensor in model.subgraphs[0].tensors]
    assert kinds.count(schema.TensorType.FLOAT16) == 1
    assert len(content) < 2 * 3 * 3 * 32 * 8 + 4 * 3 * 3 * 3 * 32 + 2500


def test_a_model_has_the_operator_versions_that_tflite_2_14_knows() -> None:
    found = network(deep(), "y")
    for content in (write.float_model(found), int8(found)):
        model = schema.ModelT.InitFromPackedBuf(content)
        assert model.operatorCodes
        assert max(code.version for code in model.operatorCodes) <= 3


def pictures() -> list[Any]:
    random = np.random.RandomState(6)
    return [random.uniform(0, 1, (1, 16, 16, 3)).astype(np.float32) for _ in range(4)]


def int8(found: Network) -> bytes:
    return quantise.int8_model(found, quantise.calibrate(found, pictures()))


def noise(exact: Any, other: Any) -> float:
    """The other's error relative to the exact values, as a ratio of their energy."""
    return float(np.square(exact - other).sum() / np.square(exact).sum())


def test_scaled_channels_change_no_result_but_the_precision_of_int8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = network(deep(), "y")
    scaled, _ = equalise.equalise(found, quantise.calibrate(found, pictures()))
    (picture, *_) = pictures()
    exact = run(write.float_model(found), picture)
    np.testing.assert_allclose(run(write.float_model(scaled), picture), exact, rtol=1e-3, atol=1e-3)
    better = noise(exact, run(int8(found), picture))
    monkeypatch.setattr(quantise, "equalise", lambda same, ranges: (same, ranges))
    assert better < noise(exact, run(int8(found), picture)) / 2


def test_int8_has_float_inputs_and_outputs_and_int8_within() -> None:
    model = schema.ModelT.InitFromPackedBuf(int8(network(deep(), "y")))
    (inner,) = model.subgraphs
    kinds = [inner.tensors[index].type for index in (*inner.inputs, *inner.outputs)]
    assert kinds == [schema.TensorType.FLOAT32] * 2
    codes = [model.operatorCodes[each.opcodeIndex].builtinCode for each in inner.operators]
    known = schema.BuiltinOperator
    assert codes == [known.QUANTIZE, known.CONV_2D, known.CONV_2D, known.DEQUANTIZE]
    known_scales = (each.quantization.scale for each in inner.tensors if each.quantization)
    assert {len(scale) for scale in known_scales} == {1, 8, 32}
