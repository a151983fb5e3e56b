"""Models with hostile inputs, or hostile models, and what must become of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tests.emulated import hostile_models as models
from wheelhouse.specimens import kernels
from wheelhouse.specimens.kernels import Kernel


@dataclass(frozen=True)
class Case:
    """What the inputs of a model get, and the result; None if it must be refused.

    The integers of a kernel are inputs, too, unless they are ``constant``. ``delegate`` is for
    XNNPACK's delegate, which takes what it can without it, as well. With ``first`` the model runs
    with the shapes of its file before it gets the inputs.
    """

    label: str
    kernel: Kernel | Callable[[], bytes]
    given: Sequence[Any]
    result: Any = None
    constant: bool = False
    delegate: bool = False
    threads: int = 1
    first: bool = False


_VERSIONS = {"BROADCAST_TO": 2, "STRIDED_SLICE": 8}
_TABLES = {"CONV_3D_TRANSPOSE": "Conv3DOptions", "REDUCE_PROD": "ReducerOptions"}


def _kernel(name: str, inputs: str, outputs: str, body: str = "", **options: Any) -> Kernel:
    bodies = (body,) if body else ()
    version, table = _VERSIONS.get(name, 1), _TABLES.get(name, "")
    return Kernel((name,), inputs, outputs, version, table, options, bodies)


def _int32(*values: object) -> Any:
    return np.array(values, np.int32)


def _ones(*shape: int, kind: str = "float32") -> Any:
    return np.ones(shape, kind)


def _slice(end: int = 9, **options: Any) -> Kernel:
    return _kernel("STRIDED_SLICE", f"f32[9] i32=[0] i32=[{end}] i32=[1]", "f32[9]", **options)


_TOP = _kernel("TOPK_V2", "f32[1,4] i32=2", "f32[1,2] i16[1,2]")
_SELECT = _kernel("SELECT", "bool[2] f32[2,3] f32[2,3]", "f32[2,3]")
_ROW = np.arange(100_000, dtype=np.float32)
_COLUMNS = _ROW[:120].reshape(40, 3)
_TRUE = _ones(200, 30, kind="bool")
_DIAGONALS = np.broadcast_to(np.eye(30, dtype="bool"), (200, 30, 30))
_WORDS = np.full((2, 2, 2), b"word", object)
_YES = _ones(1, kind="bool")
_GATES = [
    _ones(1, 2, kind="int8"),
    *[_ones(2, 2, kind="int8")] * 8,
    *[_ones(2, kind="int32")] * 4,
]
_BOXES = np.zeros((1, 6, 4), np.float32)
_SVDF = _kernel("SVDF", "f32[2,2] f32[4,2] f32[4,0] none var[2,0]", "f32[2,4]", rank=1)
_VOLUME = {"strideD": 1, "strideH": 1, "strideW": 1}
_DEEP = np.ones((1, 30_000, 1, 1, 1), np.float32)
_DIMENSIONS = ",".join(["1"] * 30)


def _volume(**options: Any) -> Kernel:
    return _kernel("CONV_3D", "f32[1,3,3,3,1] f32[1,1,2,1,1]", "f32[1,3,3,2,1]", **options)


def _transposed(**options: Any) -> Kernel:
    inputs = "i32=[1,2,2,2,1] f32[1,1,1,1,1] f32[1,2,2,2,1]"
    return _kernel("CONV_3D_TRANSPOSE", inputs, "f32[1,2,2,2,1]", **{**_VOLUME, **options})


def _picture(**options: Any) -> Kernel:
    return _kernel("CONV_2D", "f32[1,2,2,1] f32[1,1,1,1] f32[1]", "f32[1,2,2,1]", **options)


def _sliced(name: str, inputs: str) -> Kernel:
    zeros, ones = _DIMENSIONS.replace("1", "0"), _DIMENSIONS
    return _kernel(name, inputs.format(zeros=zeros, ones=ones), f"f32[{ones}]")


def _product(label: str, x: str, weights: str, given: Any, result: Any = None, **more: Any) -> Case:
    model = partial(models.product, x, weights, **more)
    return Case(f"product-{label}", model, [given], result, first=True)


_NO_MORE: dict[str, Any] = {}
_ONE_EACH: dict[str, Any] = {"depthMultiplier": 1}
_CELLS = [np.zeros(shape, np.float32) for shape in [(1, 2), *[(2, 2)] * 4]]
_WIDE = [*_CELLS, *[np.zeros((2, 200_000), np.float32)] * 4, *[np.zeros(2, np.float32)] * 4]
_PROJECTED = [*_WIDE, np.zeros((200_000, 2), np.float32)]

_CONVOLUTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
}
CASES = [
    Case(
        "bilinear-int8",
        _kernel("RESIZE_BILINEAR", "i8[1,2,2,1] i32=[2,2]", "i8[1,2,2,1]"),
        [_ones(1, 3_000_000, 1, 1, kind="int8"), _int32(3_000_000, 1)],
        _ones(1, 3_000_000, 1, 1),
    ),
    Case(
        "bilinear-int16",
        _kernel("RESIZE_BILINEAR", "i16[1,2,2,1]@0.5,0 i32=[2,2]", "i16[1,2,2,1]@0.5,0"),
        [_ones(1, 4094, 2, 300, kind="int16"), _int32(4096, 2)],
        _ones(1, 4096, 2, 300),
    ),
    Case(
        "nearest-uint8",
        _kernel("RESIZE_NEAREST_NEIGHBOR", "u8[1,2,2,1] i32=[2,2]", "u8[1,2,2,1]"),
        [_ones(1, 60_000, 1, 64, kind="uint8"), _int32(60_000, 1)],
        _ones(1, 60_000, 1, 64),
    ),
    Case(
        "pad-empty-pictures",
        _kernel("PAD", "f32[2,2,2,2] i32=[[0,0],[1,1],[1,1],[0,0]]", "f32[2,4,4,2]"),
        [_ones(20, 0, 2, 200)],
        np.zeros((20, 2, 4, 200)),
        constant=True,
    ),
    Case("slice-axes", _slice(newAxisMask=0xFFFFFF), [_ones(2, 3), *[_int32(*[1] * 24)] * 3]),
    Case("slice-size", _slice(offset=True), [_ROW, _int32(3), _int32(-5), _int32(1)]),
    Case("slice-end", _slice(offset=True, endMask=1), [_ROW, _int32(3), _int32(2), _int32(1)]),
    Case("slice-past-the-end", _slice(100), [_ROW[:9]], _ROW[:9], constant=True, delegate=True),
    Case(
        "slice-masked-end",
        _slice(offset=True, endMask=1),
        [_ROW],
        constant=True,
        delegate=True,
    ),
    Case("slice-index", _slice(shrinkAxisMask=1), [_ROW, _int32(10**6), _int32(2), _int32(1)]),
    Case(
        "slice-stride",
        _kernel("STRIDED_SLICE", "f32[9,9] i32=[0,0] i32=[9,9] i32=[1,1]", "f32[9,9]"),
        [_COLUMNS, _int32(39, 0), _int32(40, 3), _int32(2**31 - 1, 1)],
        _COLUMNS[39:],
    ),
    Case("top-int16", _TOP, [np.arange(70_000, dtype=np.float32)[None], _int32(3)[0]]),
    Case(
        "tile-strings",
        _kernel("TILE", "str[2,2,2] i32=[1,1,1]", "str[2,2,2]"),
        [_WORDS, _int32(2, -1, -1)],
    ),
    Case("diagonal-bool", _kernel("MATRIX_DIAG", "bool[2,3]", "bool[2,3,3]"), [_TRUE], _DIAGONALS),
    Case(
        "set-diagonal-bool",
        _kernel("MATRIX_SET_DIAG", "bool[2,3,3] bool[2,3]", "bool[2,3,3]"),
        [np.zeros((200, 30, 30), bool), _TRUE],
        _DIAGONALS,
    ),
    Case(
        "select-resized",
        _SELECT,
        [np.array([[1, 0, 1], [0, 1, 0]], bool), _ones(2, 3), np.zeros((2, 3), np.float32)],
        [[1, 0, 1], [0, 1, 0]],
    ),
    Case(
        "product-of-nothing",
        _kernel("REDUCE_PROD", "i8[2,3] i32=[1]", "i8[2]"),
        [np.zeros((2000, 0), np.int8), _int32(1)],
        np.full(2000, 2),
    ),
    Case(
        "product-of-no-axes",
        _kernel("REDUCE_PROD", "i8[2,3] i32=[1]", "i8[2,3]"),
        [np.full((200, 300), 3, np.int8), np.zeros(0, np.int32)],
        np.full((200, 300), 3),
    ),
    Case(
        "nearest-nothing",
        _kernel("RESIZE_NEAREST_NEIGHBOR", "u8[1,2,2,1] i32=[2,2]", "u8[1,2,2,1]"),
        [_ones(1, 2, 2, 1, kind="uint8"), _int32(0, 2)],
        _ones(1, 0, 2, 1),
    ),
    Case(
        "broadcast-to-nothing",
        _kernel("BROADCAST_TO", "f32[1,3] i32=[2,3]", "f32[2,3]"),
        [_ones(1, 1, 3000), _int32(0, 2, 3000)],
        _ones(0, 2, 3000),
    ),
    Case(
        "reshape-nothing",
        _kernel("RESHAPE", "f32[2,3] i32=[3,2]", "f32[3,2]"),
        [_ones(0, 3), _int32(3, 0)],
        _ones(3, 0),
    ),
    Case(
        "transpose-scalar",
        _kernel("TRANSPOSE", "f32[2,3] i32=[1,0]", "f32[3,2]"),
        [_ones(), np.zeros(0, np.int32)],
        _ones(),
    ),
    Case("result-left-out", models.without_result, [_YES, _ones(2, 3)], -_ones(2, 3)),
    *(
        Case(
            f"window-{name}-{size}",
            partial(
                models.window,
                name,
                table,
                size,
                dilationWFactor=dilation,
                dilationHFactor=dilation,
                **more,
            ),
            [_ones(1, 8, 8, 4)],
            delegate=True,
        )
        for name, table, more in (
            ("CONV_2D", "Conv2DOptions", _NO_MORE),
            ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", _ONE_EACH),
        )
        for size, dilation in ((300, 1), (3, 1000))
    ),
    *(
        Case(
            f"window-{name}",
            partial(
                models.window, name, "Pool2DOptions", 9, (1, 1, 1, 4), filterWidth=9, filterHeight=9
            ),
            [_ones(1, 8, 8, 4)],
            np.ones((1, 0, 0, 4)),
            delegate=True,
        )
        for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
    ),
    *(
        Case(
            f"transposed-{rows}-{stride}",
            partial(models.transposed, rows, stride),
            [_ones(1, 8, 8, 4)],
            delegate=True,
        )
        for rows, stride in ((800, 1), (8, 0))
    ),
    *(
        Case(
            f"groups-{scales}",
            partial(models.groups, scales),
            [127 * _ones(1, 8, 8, 4)],
            np.full((1, 6, 6, 6), 9 * 127 + 1),
        )
        for scales in (1, 6)
    ),
    Case(
        "halves-of-another-shape",
        models.halves_of_another_shape,
        [_ones(2, 3)],
        np.full((2, 3), 2),
        delegate=True,
    ),
    Case(
        "product-with-an-input",
        _kernel("BATCH_MATMUL", "f32[2,4] i8[4,3]@0.5,0", "f32[2,3]"),
        [_ones(2, 4), _ones(4, 3, kind="int8")],
        np.full((2, 3), 2),
        delegate=True,
    ),
    Case(
        "result-twice",
        partial(models.result_twice, "IF", "IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=1),
        [_YES[0], _ones(2, 3)],
        -_ones(2, 3),
    ),
    Case("constant-input", models.constant_input, [_YES, _ones(30, 30)]),
    Case("unmade-result", models.unmade_result, [_YES, _ones(2)]),
    Case("unmade-condition", models.unmade_condition, [_ones(1)]),
    Case("shared-body", models.shared_body, [_YES, _YES], [True]),
    Case("table-as-variable", models.table_as_variable, [_ones(2)]),
    Case(
        "variable-as-table",
        models.variable_as_table,
        [_ones(2), _WORDS[0, 0], np.array(0, np.int64)],
    ),
    Case("sparse-input", models.sparse_input, []),
    Case("handle-of-numbers", models.handle_of_numbers, []),
    Case(
        "growing-variable",
        models.growing_variable,
        [_ones(500, 3)],
        -_ones(500, 3),
        delegate=True,
        first=True,
    ),
    Case("rows-of-words", models.rows_of_words, [_int32(0, 1), _WORDS[0]]),
    Case("references", models.references, [_ones(3_000_000, kind="int8"), _ones(1)]),
    Case("no-references", models.no_references, [_ones(3_000_000, kind="int8")]),
    Case(
        "volume-channels",
        _transposed(),
        [_int32(1, 2, 2, 2, 100_000), _ones(1, 1, 1, 1, 1), _ones(1, 2, 2, 2, 1)],
    ),
    Case(
        "volume-of-nothing",
        _transposed(padding=1, strideD=3),
        [_int32(1, 1, 1, 1, 1), _ones(3, 1, 1, 1, 1), _ones(1, 0, 1, 1, 1)],
        np.zeros((1, 1, 1, 1, 1)),
    ),
    Case(
        "volume-high-filter",
        _transposed(),
        [_int32(1, 4, 64, 64, 10), _ones(3, 9, 1, 10, 1), np.zeros((1, 4, 64, 64, 1), np.float32)],
        np.zeros((1, 4, 64, 64, 10)),
    ),
    Case(
        "volume-dilated",
        _volume(**_VOLUME, dilationWFactor=2),
        [_DEEP, _ones(1, 1, 2, 1, 1)],
        np.zeros((1, 30_000, 1, 1, 1)),
    ),
    Case(
        "volume-padding",
        _volume(**_VOLUME, padding=7),
        [_ones(1, 100, 100, 100, 1), _ones(1, 1, 1, 1, 1)],
    ),
    Case(
        "picture-padding",
        _picture(strideH=1, strideW=1, padding=7),
        [_ones(1, 1000, 1000, 1), _ones(1, 1, 1, 1), _ones(1)],
    ),
    Case(
        "no-classes",
        partial(kernels.detections, 1, num_classes=0, use_regular_nms=False),
        [_BOXES, _ones(1, 6, 1)],
    ),
    Case(
        "no-detections",
        partial(kernels.detections, max_detections=10**6, max_classes_per_detection=0),
        [_BOXES, _ones(1, 6, 3)],
    ),
    Case(
        "many-detections",
        partial(kernels.detections, max_detections=1 << 16, max_classes_per_detection=1 << 16),
        [_BOXES, _ones(1, 6, 3)],
    ),
    Case(
        "detections-of-threads",
        partial(
            kernels.detections,
            4000,
            num_classes=4000,
            max_detections=1000,
            detections_per_class=1,
        ),
        [_BOXES, models.scores(4000)],
        [1000],
        threads=2,
    ),
    Case("lstm-without-scales", partial(models.lstm, None), _GATES),
    Case("lstm-state", models.constant_state, [_ones(1, 2), _ones(8, 4), _ones(8)]),
    Case("lstm-wide", partial(models.lstm_parts, outputs=200_000), _WIDE),
    Case(
        "lstm-projected",
        partial(models.lstm_parts, outputs=200_000, projected=True),
        _PROJECTED,
        np.zeros((1, 200_000)),
    ),
    *(
        Case(f"lstm-of-{count}", partial(models.lstm_parts, "int8", intermediates=count), _GATES)
        for count in (5, 12)
    ),
    _product(
        "fewer-rows", "float32 4000 32", "64 32", _ones(1, 33), np.full((1, 64), 16), kind="int4"
    ),
    _product(
        "other-rows",
        "float32 2 3 32",
        "64 32",
        _ones(3, 2, 32),
        np.full((3, 2, 64), 16),
        kind="int4",
        keepNumDims=True,
    ),
    _product(
        "int4-columns",
        "float32 1 100000",
        "4 100000",
        _ones(1, 100_000),
        kind="int4",
        scales=[0.5] * 100_000,
        axis=1,
    ),
    _product(
        "unit-scales",
        "float32 2 64",
        "4 64",
        _ones(2, 64),
        [[32, 17, 10, 7]] * 2,
        scales=[0.5, 0.25, 0.125, 0.0625],
        bias=np.arange(4, dtype=np.float32),
    ),
    _product("columns", "float32 1 2", "300000 2", _ones(1, 2), scales=[0.5] * 2, axis=1),
    _product(
        "int4-as-uint8",
        "uint8 1 4000",
        "4000 4000",
        _ones(1, 4000, kind="uint8"),
        kind="int4",
    ),
    _product(
        "workspace",
        "uint8 1 1600000",
        "4 1600000",
        np.full((1, 1_600_000), 128, np.uint8),
        np.zeros((1, 4)),
        kind="uint8",
        y="int16",
        bias=np.zeros(4, np.int32),
        workspace=(1,),
        weightsFormat=1,
    ),
    _product(
        "shuffled-rows",
        "uint8 1 17",
        "300001 17",
        _ones(1, 17, kind="uint8"),
        kind="uint8",
        y="int16",
        bias=np.zeros(300_001, np.int32),
        workspace=(1, 17),
        weightsFormat=1,
    ),
    _product(
        "sparse-int16",
        "int16 1 2000",
        "2000 2000",
        _ones(1, 2000, kind="int16"),
        levels=[2000, [0]],
    ),
    _product(
        "sparse-rows",
        "float32 1 400000",
        "4 400000",
        _ones(1, 400_000),
        kind="float32",
        levels=[1, [399_999], 4],
        block_map=[0],
    ),
    _product(
        "sparse-int8-rows",
        "int8 1 40000",
        "16 40000",
        _ones(1, 40_000, kind="int8"),
        levels=[1, [39_999], 16],
        block_map=[0],
    ),
    _product("sparse-dense", "float32 1 64", "64 64", _ones(1, 64), levels=[64, 64]),
    _product("sparse-numbers", "float32 1 64", "64 64", _ones(1, 64), levels=[64, [3]]),
    _product(
        "sparse-blocks",
        "float32 1 64",
        "64 64",
        _ones(1, 64),
        np.full((1, 64), 8),
        levels=[64, [3], 16],
        block_map=[1],
    ),
    _product(
        "sparse-ledger",
        "float32 1 80000",
        "4 80000",
        _ones(1, 80_000),
        levels=[4, list(range(400)), 16],
        block_map=[1],
    ),
    *(
        Case(f"biases-{name}", partial(models.biases, name), [_ones(1, 2, 2, 1)], delegate=True)
        for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
    ),
    Case("no-memory", _SVDF, [_ones(2, 2), _ones(4, 2), _ones(4, 0)]),
    Case(
        "slice-dimensions",
        _sliced("SLICE", "f32[64] i64=[{zeros}] i64=[{ones}]"),
        [_ones(64)],
        constant=True,
        delegate=True,
    ),
    Case(
        "strided-slice-dimensions",
        _sliced("STRIDED_SLICE", "f32[{ones}] i32=[{zeros}] i32=[{ones}] i32=[{ones}]"),
        [_ones(*[1] * 30)],
        constant=True,
        delegate=True,
    ),
    *(
        Case(
            f"apart-{name}-{stride}",
            partial(models.apart, name, table, stride),
            [_ones(1, 9, 9, 1)],
            np.full((1, size, size, 1), 5),
            delegate=True,
        )
        for name, table in _CONVOLUTIONS.items()
        for stride, size in ((3, 3), (9, 1), (3000, 1))
    ),
    Case(
        "depth-multiplier-of-the-file",
        partial(models.depthwise, 1, 40_000, 1),
        [_ones(1, 2, 2, 1)],
        delegate=True,
    ),
    Case(
        "depth-multiplier-of-weights-in-int8",
        partial(models.depthwise, 2, 4, 3000, "int8"),
        [_ones(1, 2, 2, 2)],
        np.full((1, 2, 2, 4), 2),
    ),
    Case(
        "depth-of-6000",
        partial(models.depthwise, 1, 6000, 6000),
        [_ones(1, 2, 2, 1)],
        np.full((1, 2, 2, 6000), 2),
    ),
    *(
        Case(
            f"radius-{radius}",
            _kernel(
                "LOCAL_RESPONSE_NORMALIZATION",
                "f32[1,1,1,3]",
                "f32[1,1,1,3]",
                radius=radius,
                bias=1.0,
                alpha=1.0,
                beta=1.0,
            ),
            [_ones(1, 1, 1, 3)],
            None if radius < 0 else np.full((1, 1, 1, 3), 0.25),
        )
        for radius in (-7, -1, 2**31 - 1)
    ),
]
"""Of both releases."""


def _unlike(
    name: str,
    shape: tuple[int, ...],
    said: tuple[int, ...],
    others: Sequence[Any],
    result: tuple[int, ...],
    values: Any = None,
    **options: Any,
) -> Case:
    label = f"unlike-its-file-{name}-{'x'.join(map(str, shape))}"
    model = partial(models.unlike_its_file, name, shape, said, others, result, **options)
    return Case(label, model, [_ones(*shape)], values, delegate=True)


_STEPS = {"strideW": 1, "strideH": 1}
_DILATE = _kernel("DILATE", "f32[2,3] i32=[2,2] f32[]", "f32[3,5]")
_GATHER = _kernel(
    "STABLEHLO_GATHER",
    "f32[4,3] i32=[[0],[2]]",
    "f32[2,3]",
    offsetDims=[1],
    collapsedSliceDims=[0],
    startIndexMap=[0],
    indexVectorDim=1,
    sliceSizes=[1, 3],
)
_SCATTER = _kernel(
    "STABLEHLO_SCATTER",
    "f32[4,3] i32=[[0],[2]] f32[2,3]",
    "f32[4,3]",
    "STABLEHLO_ADD f32[]",
    updateWindowDims=[1],
    insertedWindowDims=[0],
    scatterDimsToOperandDims=[0],
    indexVectorDim=1,
    updateComputationSubgraphIndex=1,
)
_REDUCE = _kernel(
    "STABLEHLO_REDUCE_WINDOW",
    "f32[4,4] f32[]",
    "f32[3,3]",
    "STABLEHLO_ADD f32[]",
    windowDimensions=[2, 2],
    windowStrides=[1, 1],
    baseDilations=[1, 1],
    windowDilations=[1, 1],
    padding=[0, 0, 0, 0],
    bodySubgraphIndex=1,
)


def _pad(between: int) -> Kernel:
    sides: dict[str, Any] = {"edgePaddingLow": [1, 1], "edgePaddingHigh": [1, 1]}
    inputs, inner = "f32[2,3] f32[]", [between, 0]
    return _kernel("STABLEHLO_PAD", inputs, "f32[4,5]", interiorPadding=inner, **sides)


_TABLE = np.arange(60_000, dtype=np.float32).reshape(200, 300)
_ROTATED = np.tile(
    np.array([2, 0], np.float32) * np.float32(1 / np.sqrt(np.float32(2))), (300, 150)
)
_SHIFT = _kernel("STABLEHLO_SHIFT_LEFT", "i32[2,3] i32[2,3]", "i32[2,3]")
_FOUR = np.arange(12, dtype=np.float32).reshape(4, 3)

_HEADS = (1, 3, 2, 4)


def _attention(label: str, *shapes: tuple[int, ...], given: Any = (), **more: Any) -> Case:
    inputs = [_ones(*shape) for shape in given or shapes]
    model = partial(models.attention, *shapes)
    return Case(f"attention-{label}", model, inputs, -inputs[0], delegate=True, **more)


def _variables(
    label: str, accesses: str, tensors: dict[str, Any], given: Any, result: Any = None, **more: Any
) -> Case:
    """The accesses are as in "0x0 1y": handle 0 is assigned x0, and y is read from handle 1."""
    steps = [(int(each[0]), each[1:]) for each in accesses.split()]
    model = partial(models.variables, steps, tensors, **more)
    return Case(f"variables-{label}", model, given, result, delegate=True)


_LITTLE, _MUCH = ("float32", 2, 3), ("float32", 3000, 1000)
_NUMBER = (1, 1, 1, 1)
_PAIR = (1, 2, 1, 1)
_LONG = (*[1] * 29, 3)

NEWEST_CASES = [
    Case("scatter-before", _SCATTER, [_FOUR, _int32([-(10**6)], [-5]), _ones(2, 3)], _FOUR),
    Case("scatter-nothing", _SCATTER, [_FOUR, _ones(0, 1, kind="int32"), _ones(0, 3)], _FOUR),
    Case("gather-before", _GATHER, [_FOUR, _int32([-(10**8)], [2])], _FOUR[[0, 2]]),
    Case("gather-of-nothing", _GATHER, [_ones(0, 3), _int32([0], [0])]),
    Case("pad-without-value", _pad(0), [_ones(2, 3), _ones(0)]),
    Case("pad-of-one-input", _kernel("STABLEHLO_PAD", "f32[2,3]", "f32[4,5]"), [_ones(2, 3)]),
    Case("pad-scalar", _pad(0), [_ones(), _ones()]),
    Case("pad-dimensions", _pad(0), [_ones(*[1] * 30), _ones()]),
    Case("pad-vast", _pad(10**6), [_ones(3000, 3), _ones()]),
    Case("shift-by-few", _SHIFT, [_ones(3000, 3000, kind="int32"), _ones(1, 1, kind="int32")]),
    Case("reduce-without-value", _REDUCE, [_ones(4, 4), _ones(0)]),
    Case("dilate-overflow", _DILATE, [_ones(5, 5), _int32(2, 2**30), _ones()]),
    Case("dilate-nothing", _DILATE, [_ones(0, 3000), _int32(1, 2), _ones()], _ones(0, 5999)),
    Case("dilate-without-value", _DILATE, [_ones(2, 3), _int32(2, 2), _ones(0)]),
    Case(
        "branch", partial(models.branches, 1, 2), [_int32(0)[0], _TABLE, _ones(1)], _TABLE.ravel()
    ),
    Case(
        "branch-constant",
        partial(models.branches, 1, 2),
        [_int32(1)[0], _TABLE, _ones(1)],
        _ones(60_000),
    ),
    Case(
        "branch-type", partial(models.branches, 1, 2, kind="int8"), [_int32(0)[0], _TABLE, _ones(1)]
    ),
    Case(
        "case-result-twice",
        partial(
            models.result_twice, "STABLEHLO_CASE", "StablehloCaseOptions", branchSubgraphIndices=[1]
        ),
        [_int32(0)[0], _ones(2, 3)],
        -_ones(2, 3),
    ),
    Case(
        "composite-result-twice",
        partial(
            models.result_twice,
            "STABLEHLO_COMPOSITE",
            "StableHLOCompositeOptions",
            name="negated",
            compositeAttributes=models.NO_ATTRIBUTES,
            decompositionSubgraphIndex=1,
        ),
        [_ones(2, 3)],
        -_ones(2, 3),
    ),
    Case(
        "bilinear-type",
        _kernel("RESIZE_BILINEAR", "i8[1,2,2,1]@0.5,0 i32=[4,4]", "f32[1,4,4,1]"),
        [_ones(1, 2, 2, 1, kind="int8")],
        _ones(1, 4, 4, 1),
        constant=True,
        delegate=True,
    ),
    Case("nested-branches", models.nested_branches, [_int32(0)[0], _ones(2, 3)], -_ones(2, 3)),
    Case("blocks", partial(models.blocks, 0, 32), [_int32(0, 1)], np.zeros((2, 64))),
    Case("blocks-elsewhere", partial(models.blocks, 123_456, 32), [_int32(0, 1)]),
    _product(
        "int32-bias",
        "int16 1 2",
        "4 2",
        _ones(1, 2, kind="int16"),
        [[-2, 2, 6, 10]],
        zero_point=3,
        bias=np.arange(4, dtype=np.int32) * 8,
    ),
    _product(
        "int64-bias",
        "int16 1 2",
        "4 2",
        _ones(1, 2, kind="int16"),
        [[1, 5, 9, 13]],
        kind="int16",
        bias=np.arange(4, dtype=np.int64) * 8,
    ),
    _product("blocks", "float32 1 64", "2 64", _ones(1, 64), [[64, 64]], kind="int4", blocks=32),
    _product(
        "blocks-activation",
        "float32 1 64",
        "64 64",
        -_ones(1, 64),
        np.zeros((1, 64)),
        kind="int4",
        blocks=32,
        fusedActivationFunction=1,
    ),
    Case("blocks-of-nothing", partial(models.blocks, 0, 0), [_int32(0, 1)]),
    _unlike(
        "DEPTHWISE_CONV_2D",
        (1, 2, 2, 1),
        (1, 2, 2, 40_000),
        [_ones(1, 1, 1, 40_000), _ones(40_000)],
        (1, 2, 2, 40_000),
        table="DepthwiseConv2DOptions",
        depthMultiplier=1,
        **_STEPS,
    ),
    _unlike(
        "CONV_2D",
        (1, 2, 2, 3),
        (1, 2, 2, 40_000),
        [_ones(1, 1, 1, 40_000), _ones(1)],
        (1, 2, 2, 1),
        table="Conv2DOptions",
        **_STEPS,
    ),
    _unlike(
        "TRANSPOSE_CONV",
        (1, 2, 2, 3),
        (1, 2, 2, 40_000),
        [_int32(1, 2, 2, 1), _ones(1, 1, 1, 40_000)],
        (1, 2, 2, 1),
        place=2,
        table="TransposeConvOptions",
        **_STEPS,
    ),
    _unlike(
        "CONCATENATION",
        (3000, 3),
        (2, 3),
        [_ones(2, 4)],
        (2, 7),
        table="ConcatenationOptions",
        axis=1,
    ),
    _unlike(
        "FULLY_CONNECTED",
        (1,),
        (3000,),
        [_ones(2, 4), _ones(3000, 4)],
        (2, 3000),
        place=2,
        table="FullyConnectedOptions",
    ),
    _unlike("TRANSPOSE", (6,), (2, 3), [_int32(1, 0)], (3, 2)),
    _unlike(
        "MEAN",
        (2, 6),
        (2, 3),
        [_int32(1)],
        (2,),
        -_ones(2),
        table="ReducerOptions",
    ),
    Case(
        "transposed-batch",
        partial(models.transposed, 8, 1),
        [_ones(2, 8, 8, 4)],
        delegate=True,
        first=True,
    ),
    Case(
        "rows-of-half-bytes",
        models.rows_of_half_bytes,
        [np.zeros(200_000, np.int32), np.zeros((1, 1), np.int8)],
    ),
    *(
        Case(
            f"shared-weights-{second}",
            partial(models.shared_weights, second),
            [_ones(1, 64)],
            np.full((1, 64), 32),
            delegate=True,
        )
        for second in ("BATCH_MATMUL", "FULLY_CONNECTED")
    ),
    Case("scales-of-rows", models.scales_of_rows, [_ones(1, 2)]),
    Case("rotation-resized", partial(models.rotation, (1, 2), 2), [_ones(300, 300)], _ROTATED),
    Case("rotation-of-nothing", partial(models.rotation, (1, 2), 0), [_ones(1, 2)]),
    Case("rotation-type", partial(models.rotation, (1, 2), 2, "int8"), [_ones(1, 2)]),
    Case("long-buffer", models.long_buffer, [], _ones(3, 2)),
    Case(
        "reshape-dimensions",
        _kernel("RESHAPE", f"f32[1] i32=[{_DIMENSIONS}]", "f32[1]"),
        [_ones(1)],
        _ones(*[1] * 30),
        constant=True,
        delegate=True,
    ),
    Case(
        "product-dimensions",
        _kernel(
            "BATCH_MATMUL",
            f"f32[{_DIMENSIONS}] f32[{_DIMENSIONS}]",
            f"f32[{_DIMENSIONS}]",
            adjX=True,
        ),
        [_ones(*[1] * 30), _ones(*[1] * 30)],
        delegate=True,
    ),
    _attention("without-heads", _HEADS, (1, 3, 0, 4), _HEADS),
    _attention("values-without-heads", (1, 3, 4, 4), _HEADS, (1, 3, 0, 4)),
    _attention("batches", (2, 3, 2, 4), (2, 3, 1, 4), (2, 3, 1, 4)),
    _attention("other-values", (1, 3, 4, 4), _HEADS, (1, 3, 4, 4)),
    _attention("large-mask", _HEADS, _HEADS, _HEADS, (5, 2, 3, 3)),
    _attention("vectors", (4,), (4,), (4,)),
    _attention("resized-heads", *[(1, 3, 1, 4)] * 3, given=[_HEADS] * 3),
    Case(
        "attention-scale",
        partial(models.attention, _NUMBER, _PAIR, _PAIR, scale=0.1),
        [np.full(_NUMBER, 10**4, np.float32)]
        + [np.array(each, np.float32).reshape(_PAIR) for each in ([1, -1], [3, 5])],
        np.full(_NUMBER, 3),
        delegate=True,
    ),
    _variables(
        "of-other-sizes",
        "0x0 1x1",
        {"x0": _LITTLE, "x1": _MUCH},
        [_ones(2, 3), _ones(3000, 1000)],
        -_ones(2, 3),
    ),
    _variables(
        "resized",
        "0x0 1x1",
        {"x0": _LITTLE, "x1": _LITTLE},
        [_ones(3000, 1000), _ones(2, 3)],
        -_ones(3000, 1000),
    ),
    *(
        _variables(
            f"read-{order}", order, {"x0": _LITTLE, "y": _LITTLE}, [_ones(2, 3)], _ones(2, 3)
        )
        for order in ("0x0 0y", "0x0 1y", "1x0 0y")
    ),
    *(
        _variables(f"read-too-far-{order}", order, {"x0": _LITTLE, "y": _MUCH}, [_ones(2, 3)])
        for order in ("0x0 1y", "1x0 0y")
    ),
    _variables("read-first", "0y 0x0", {"x0": _MUCH, "y": _MUCH}, [_ones(1, 1)]),
    _variables("of-numbers", "0x0", {"x0": _MUCH}, [_ones(3000, 1000)], handle="float32"),
    _variables(
        "by-integers",
        "0x0 0y",
        {"x0": _LITTLE, "y": _LITTLE},
        [_ones(2, 3)],
        _ones(2, 3),
        handle="int32",
    ),
    _variables(
        "dimensions",
        "0x0 0y",
        dict.fromkeys(("x0", "y"), ("float32", *_LONG)),
        [_ones(*_LONG)],
        _ones(*_LONG),
    ),
    _variables(
        "of-other-scales",
        "0x0 0y",
        dict.fromkeys(("x0", "y"), ("int8", 2, 3)),
        [_ones(2, 3, kind="int8")],
        _ones(2, 3),
        scales={"x0": 0.5, "y": 0.25},
    ),
    Case(
        "unpooled-outside",
        partial(models.pooled, "MaxUnpooling2D"),
        [_ones(1, 2, 2, 1), _ones(1, 2, 2, 1)],
        np.zeros((1, 4, 4, 1)),
        delegate=True,
    ),
    Case(
        "unpooled-int8",
        partial(models.pooled, "MaxUnpooling2D", "int8"),
        [_ones(1, 2, 2, 1), np.zeros((1, 2, 2, 1), np.int8)],
        delegate=True,
    ),
    Case(
        "unpooled-one-index",
        partial(models.pooled, "MaxUnpooling2D", indices=(1, 1, 1, 1)),
        [_ones(1, 2, 2, 1), np.zeros((1, 1, 1, 1), np.float32)],
        delegate=True,
    ),
    Case(
        "pooled-int8",
        partial(models.pooled, "MaxPoolingWithArgmax2D", "int8"),
        [_ones(1, 4, 4, 1)],
        delegate=True,
    ),
    *(
        Case(f"biased-{label}", partial(models.biased, *sizes), [_ones(1, 2, 2, 1)], delegate=True)
        for label, sizes in (("by-one", (1, 1)), ("of-channels", (500, 1000)))
    ),
]
"""Of operators that the newest release alone has."""
