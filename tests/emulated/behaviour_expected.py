"""What every wheel must do: paths into the report of ``guest.behaviour`` and what stands there."""

from typing import Any

from wheelhouse.targets.architectures import Architecture

NATIVE = "tflite_runtime._pywrap_tensorflow_interpreter_wrapper.InterpreterWrapper"
SUM = [0, 2, 4, 6, 8, 10, 12, 14]
PRODUCT = [0, 1, 4, 9, 16, 25, 36, 49]
ROW = [0, 1, 2, 3, 4, 5, 6, 7]
HELD = """RuntimeError: There is at least 1 reference to internal data
      in the interpreter in the form of a numpy array or slice. Be sure to
      only hold the function returned from tensor() if you are using raw
      data access."""
UNALLOCATED = "ValueError: Tensor data is null. Run allocate_tensors() first"
UNALLOCATED_INPUT = (
    "ValueError: Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first"
)
INTERMEDIATE = (
    "Intermediate tensors are kept only by an interpreter made with "
    "experimental_preserve_all_tensors=True"
)
NEVER_A_STRING = "ValueError: String tensor {} has no value. Set it, or run invoke(), first"
RESIZED_SINCE = (
    "ValueError: String tensor {} does not hold the strings that its shape has. "
    "After a resize, set it again"
)
OUTSIDE_INT4 = "ValueError: Cannot set tensor: Values for INT4 input must be between -8 and 7."
FLAT = "ValueError: Cannot set tensor: Dimension mismatch. Got 1 but expected 2 for input 6."
NOT_OPENED = "ValueError: Could not open '{}': {}"
CREATED = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
LEVELS = "ValueError: '{}' is no log level: these are verbose, info, warning, error, silent"
BEYOND = "ValueError: Invalid tensor index 99 exceeds max tensor index 4"
VALUELESS = "ValueError: Tensor {} is a {}, of which numpy has no value."
NO_SUBGRAPH = "ValueError: Invalid subgraph index 9 exceeds max subgraph index 1"
FIXED = (
    "RuntimeError: Attempting to resize dimension 0 of tensor 0 with value 1 to {}. "
    "ResizeInputTensorStrict only allows mutating unknown dimensions identified by -1."
)
UNRESOLVED = (
    "Encountered unresolved custom op: NoSuchOperator.\n"
    "See instructions: https://www.tensorflow.org/lite/guide/ops_custom "
    "Node number 0 (NoSuchOperator) failed to prepare."
)
GATHER = "gather index out of boundsNode number 0 (GATHER) failed to invoke."
NEVER_SET = (
    "RuntimeError: tensorflow/tensorflow/lite/kernels/read_variable.cc:68 "
    "variable != nullptr was not true.Node number 1 (READ_VARIABLE) failed to invoke."
)
NO_PRECISION = "is no precision: these are fp32, fp16"
NO_THREADS = "is no number of threads: these are 0 to 1024, and 0 means 1"
OVERFLOW = (
    "RuntimeError: tensorflow/tensorflow/lite/util.cc "
    "BytesRequired number of elements overflowed.\n"
)
TRUNCATED, DAMAGED = "it is truncated", "it is damaged"
WRONG_WEIGHTS = {
    **dict.fromkeys(("empty", "short", "half", "size"), TRUNCATED),
    **dict.fromkeys(("long", "magic", "count", "digest", "index", "last", "zeros"), DAMAGED),
    "model": "it is of another model",
    "build": "it is of another tflite_runtime or another CPU",
}
DENSE = {
    "shape": [1, 8],
    "shape_signature": [1, 8],
    "dtype": "numpy.float32",
    "quantization": (0, 0),
    "quantization_parameters": {"scales": [], "zero_points": [], "quantized_dimension": 0},
    "sparsity_parameters": {},
}


TYPES = (
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int4", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)


def _unused(why: str, path: str = "weights.cache") -> str:
    return f"WARNING: The file of packed weights '{path}' is not used: {why}."


def _replaced(why: str) -> str:
    return f"{_unused(why)} It was replaced."


def _unwritten(path: str, why: str) -> str:
    return f"WARNING: Packed weights cannot be written to '{path}': {why}."


def _not_set(got: str, wanted: str = "FLOAT32", index: int = 0, name: str = "x") -> str:
    return (
        f"ValueError: Cannot set tensor: Got value of type {got} but expected type {wanted} "
        f"for input {index}, name: {name} "
    )


def _no_int8(got: str) -> str:
    return (
        "ValueError: Cannot set tensor: Expected a numpy array of int8 for INT4 input 6, "
        f"name: int4, but got {got}"
    )


RESULTS: dict[str, Any] = {
    # What is written to standard error
    "log_levels.verbose.0": CREATED,
    "log_levels.info": [CREATED],
    "log_levels.warning": [],
    "log_levels.error": [],
    "log_levels.silent": [],
    "log_levels.ERROR": [],
    "log_levels.wrong": LEVELS.format("loud"),
    "log_levels.empty": LEVELS.format(""),
    "log_levels.number": LEVELS.format(3),
    "log_levels.none": LEVELS.format(None),
    # The module and its class
    "module.name": "tflite_runtime._pywrap_tensorflow_interpreter_wrapper",
    "module.doc": "\n    _pywrap_tensorflow_interpreter_wrapper\n    -----\n  ",
    "module.public": [
        *("CreateWrapperFromBuffer", "CreateWrapperFromFile", "InterpreterWrapper"),
        "SetLogLevel",
    ],
    "native_class.repr": f"<class '{NATIVE}'>",
    "native_class.instance": f"<{NATIVE} object at 0x>",
    "native_class.dir": [
        *("AllocateTensors", "GetSignatureDefs", "GetSubgraphIndexFromSignature", "GetTensor"),
        *("InputIndices", "Invoke", "ModifyGraphWithDelegate", "NodeInputs", "NodeName"),
        *("NodeOutputs", "NumNodes", "NumTensors", "NumViews", "OutputIndices"),
        "ResetVariableTensors",
        *("ResizeInputTensor", "SetNumThreads", "SetTensor", "TensorName", "TensorQuantization"),
        *("TensorQuantizationParameters", "TensorSize", "TensorSizeSignature"),
        *("TensorSparsityParameters", "TensorType", "interpreter", "tensor"),
    ],
    "native_class.equal": [True, False],
    "native_class_has_no_constructor.plain": f"TypeError: {NATIVE}: No constructor defined!",
    "native_class_has_no_constructor.inherited": "TypeError: Inherited: No constructor defined!",
    "native_attributes.dict": False,
    "native_weak_reference": [True, True, [True]],
    "pickles_of_old_protocols": [True, True],
    "copies_and_pickles.native.pickle": f"TypeError: cannot pickle '{NATIVE}' object",
    "copies_and_pickles.interpreter.deepcopy": f"TypeError: cannot pickle '{NATIVE}' object",
    "subclass": [[SUM, PRODUCT], "mine", NATIVE],
    # Conversions
    "integers.True": "y",
    "integers.int64": "y",
    "integers.float32": "y",
    "integers.Decimal": "y",
    "integers.__index__": "y",
    "truth_values_decide.None": None,
    "truth_values_decide.0": None,
    "truth_values_decide.1": FIXED.format(2),
    "truth_values_decide.float": FIXED.format(2),
    "texts.bytes": 0,
    "texts.bytearray": 0,
    "texts.unknown": "ValueError: No matching signature.",
    "null_delegate": "RuntimeError: Null delegate.",
    "native_creation.five": NATIVE,
    "native_creation.six_bytes": NATIVE,
    "native_creation.tuples": NATIVE,
    "native_creation.resolver_0": "ValueError: ",
    "arguments_by_keyword.SetTensor": None,
    "arguments_by_keyword.out_of_order": SUM,
    "arguments_by_position.interpreter": "int",
    "arguments_by_position.tensor": ROW,
    # Making an interpreter
    "constructor.nothing": "ValueError: `model_path` or `model_content` must be specified.",
    "constructor.both": "ValueError: Can't both provide `model_path` and `model_content`",
    "constructor.position": [SUM, PRODUCT],
    "paths.bytes": [SUM, PRODUCT],
    **{
        f"paths.{way}": [SUM, PRODUCT]
        for way in (
            *("str", "bytearray", "numpy", "absolute", "spaces", "not_utf8", "not_utf8_text"),
            *("path", "path_of_bytes", "path_of_text", "spaces_path"),
        )
    },
    "paths.missing": NOT_OPENED.format("missing.tflite", "No such file or directory"),
    "paths.missing_path": NOT_OPENED.format("missing.tflite", "No such file or directory"),
    "paths.missing_not_utf8": NOT_OPENED.format("\\udcfe.tflite", "No such file or directory"),
    "paths.umlaut": NOT_OPENED.format("fehlt-ä.tflite", "No such file or directory"),
    "paths.folder": NOT_OPENED.format("/tmp", "Is a directory"),  # noqa: S108
    "paths.no_folder": NOT_OPENED.format("arithmetic.tflite/model.tflite", "Not a directory"),
    "paths.unreadable": NOT_OPENED.format("unreadable.tflite", "Permission denied"),
    "paths.empty": NOT_OPENED.format("empty-file.tflite", "The file is empty"),
    "paths.device": NOT_OPENED.format("/dev/null", "It is no regular file"),
    "paths.pipe": NOT_OPENED.format("pipe.tflite", "It is no regular file"),
    "contents.bytes": [SUM, PRODUCT],
    "contents.inherited": [SUM, PRODUCT],
    "content_outlives_its_name.2": [SUM, PRODUCT],
    "bad_files_by_path.bad-noise": "ValueError: The model is not a valid Flatbuffer buffer",
    "bad_files_by_path.bad-truncated": "ValueError: The model is not a valid Flatbuffer buffer",
    "bad_files_by_content.bad-noise": "ValueError: The model is not a valid Flatbuffer buffer",
    "bad_files_by_content.bad-buffer-out-of-range": "ValueError: "
    "Tensor 1 specifies out of range buffer 999 (only 1 buffers).\n",
    "thread_options.4": [SUM, PRODUCT],
    "thread_options.0": [SUM, PRODUCT],
    "thread_options.-1": "ValueError: num_threads should >= 1, or 0, which means 1",
    "thread_options.'2'": "ValueError: type of num_threads should be int",
    "op_resolver_types.AUTO": [[SUM, PRODUCT], ["ADD", "MUL", "DELEGATE"]],
    "op_resolver_types.BUILTIN": [[SUM, PRODUCT], ["ADD", "MUL", "DELEGATE"]],
    "op_resolver_types.BUILTIN_REF": [[SUM, PRODUCT], ["ADD", "MUL"]],
    "op_resolver_types.BUILTIN_WITHOUT_DEFAULT_DELEGATES": [[SUM, PRODUCT], ["ADD", "MUL"]],
    "kernels_round_like_the_reference_kernels": {"int8": 0, "uint8": 0},
    "unused_results.unused": [0, 0, 1, 2],
    "unused_results.subsets": 63,
    "unused_results.different": [],
    "shapes_that_kernels_refuse": {
        "resizable": ["refused"] * 8,
        "mobilenet-0.25-96-float32": ["refused"] * 6,
        "mobilenet-0.25-96-int8": ["refused"] * 4,
        "arithmetic": ["refused"] * 4,
    },
    "absurd_sizes.fill": f"{OVERFLOW}Node number 0 (FILL) failed to invoke.",
    "absurd_sizes.fill_after": [None, [7, 7, 7]],
    "absurd_sizes.AUTO": dict.fromkeys(("one", "two", "rows", "batch"), OVERFLOW),
    "absurd_sizes.BUILTIN_REF": dict.fromkeys(("one", "two", "rows", "batch"), OVERFLOW),
    "absurd_sizes.soon": True,
    # 2.14 keeps the memory of all tensors, but MUL still writes its output over its input.
    "preserve_all_tensors.AUTO": [
        *(["ADD", "MUL", "ADD"], [0, 1, 2, 3]),
        *([0, 2, 8, 18], [0, 2, 8, 18], [0, 3, 10, 21]),
    ],
    "preserve_all_tensors.not.2": [0, 3, 10, 21],
    # Custom operators
    "registerers_by_function.function": "tflite_runtime.interpreter.InterpreterWithCustomOps",
    "registerers_by_function.computes": [SUM, PRODUCT],
    "registerers_by_function.raising": "KeyError: 'from the registerer'",
    "registerers_by_function.none": "RuntimeError: std::bad_function_call",
    "registerers_by_name.found": [SUM, PRODUCT],
    "registerers_by_name.same_address": True,
    "registerers_share_references": [1, 0],
    "lock_kept_by_registerers": ["MainThread"],
    "unknown_operator.invoke": "RuntimeError: Invoke called on model that is not ready.",
    # Delegates
    "load_delegate_fails.missing": "OSError: missing.so: cannot open shared object file: "
    "No such file or directory",
    "load_delegate_fails.missing_path": "OSError: missing.so: cannot open shared object file: "
    "No such file or directory",
    "load_delegate_fails.missing_symbol": "AttributeError: /lib/{libraries}/libm.so.6: "
    "undefined symbol: tflite_plugin_create_delegate",
    "load_delegate_fails.no_destroy": "AttributeError: /home/pi/half.so: "
    "undefined symbol: tflite_plugin_destroy_delegate",
    "load_delegate_fails.bad_options": "AttributeError: 'str' object has no attribute 'items'",
    "load_delegate_fails.refused_in_no_words": "ValueError: Failed to load delegate from "
    "/home/pi/delegate.so\n\ufffd",
    "load_delegate_is_quiet": [[], True],
    "load_delegate_by_path": {
        way: [SUM, PRODUCT] for way in ("relative", "absolute", "bytes", "path_of_bytes", "text")
    },
    "load_delegate_fails.refused": "ValueError: Failed to load delegate from "
    "/home/pi/delegate.so\nnot today",
    "load_delegate_works.made": [1, 0, 0],
    "load_delegate_works.applied": [1, 0, 1],
    "load_delegate_works.outputs": [SUM, PRODUCT],
    "load_delegate_works.held": [1, 0, 1],
    "load_delegate_works.dropped": [1, 1, 1],
    "delegate_that_fails_to_prepare.option": "RuntimeError: "
    "Restored original execution plan after delegate application failure.",
    "delegate_by_address.outputs": [SUM, PRODUCT],
    # What a model is
    "details.inputs": [{"name": "x", "index": 0, **DENSE}, {"name": "y", "index": 1, **DENSE}],
    "details.keys": ["name", "index", *DENSE],
    "details_of_open_shapes.0.0.shape_signature": [1, -1, -1, 3],
    "details_of_open_shapes.1.0.shape": [1, 4, 4, 3],
    "details_of_quantised_tensors.first.0.quantization": (1 / 128, 0),
    "details_of_quantised_tensors.first.0.quantization_parameters": {
        "scales": [1 / 128],
        "zero_points": [0],
        "quantized_dimension": 0,
    },
    "details_of_sparse_tensors_without_blocks": {
        "traversal_order": [0, 1],
        "dim_metadata": [
            {"format": 0, "dense_size": 2},
            {"format": 1, "array_segments": [0, 1, 2], "array_indices": [2, 0]},
        ],
    },
    "details_of_sparse_tensors.details.sparsity_parameters": {
        "traversal_order": [0, 1],
        "block_map": [],
        "dim_metadata": [
            {"format": 0, "dense_size": 2},
            {"format": 1, "array_segments": [0, 1, 2], "array_indices": [2, 0]},
        ],
    },
    "details_of_sparse_tensors.content": [5, 7],
    "details_of_sparse_tensors.view": [5, 7],
    "details_of_nothing.beyond": BEYOND,
    "details_of_nothing.name": "",
    "details_of_a_missing_subgraph.0": "ValueError: "
    "Invalid subgraph index 9 exceeds max subgraph index 1",
    "tensors_of_a_missing_subgraph": [0, 0],
    "operators.after.2": {"index": 2, "op_name": "DELEGATE", "inputs": [0, 1], "outputs": [2, 3]},
    "operators.beyond": "ValueError: Invalid node index",
    "native_handle": ["int", True, True],
    "indices": [[0, 1], [2, 3], []],
    # Signatures
    "signature_lists.arithmetic.0": {
        "arithmetic": {"inputs": ["left", "right"], "outputs": ["product", "sum"]}
    },
    "signature_lists.resources.1": {
        "assign": {"inputs": {"value": 1}, "outputs": {}},
        "read": {"inputs": {"added": 1}, "outputs": {"total": 3}},
    },
    "signature_lists.chain.0": {},
    "signature_runner.result": {"product": PRODUCT, "sum": SUM},
    "signature_runner.resized": {"product": PRODUCT[:3], "sum": SUM[:3]},
    "signature_runner.unallocated": {"product": PRODUCT, "sum": SUM},
    "signature_runner.inputs.right": {"name": "y", "index": 1, **DENSE},
    "signature_runner_refuses.wrong_key": "ValueError: Invalid signature_key provided.",
    "signature_runner_refuses.wrong_name": "ValueError: "
    "Invalid Input name (wrong) for SignatureDef",
    "signature_runner_refuses.one": "ValueError: Invalid number of inputs provided for running "
    "a SignatureDef, expected 2 vs provided 1",
    "signature_runner_refuses.wrong_type": _not_set("INT32"),
    "signature_runner_refuses.after_all": {"product": PRODUCT, "sum": SUM},
    "signature_runner_after_failing.1": {"product": PRODUCT, "sum": SUM},
    # Setting, running, getting
    "run.outputs": [SUM, PRODUCT],
    "run.allocate": None,
    "run.invoke": None,
    "run.set": None,
    "run.numpy_index": SUM,
    "out_of_turn.fresh": {
        "invoke": "RuntimeError: Invoke called on model that is not ready.",
        "get": UNALLOCATED,
        "set": UNALLOCATED_INPUT,
        "view": UNALLOCATED,
        "reset": None,
    },
    "out_of_turn.resized.set": UNALLOCATED_INPUT,
    "means": True,
    "mean_of_axes_named_again": [5, 5, 5],
    "without_a_bias": [[[4, 4, 4, 2]] * 3 + [[2, 2, 2, 1]]] * 2,
    "padded": {
        f"{kind}-{name}": True
        for kind in ("int8", "float32")
        for name in ("all", "pixels", "columns", "rows")
    },
    "resized_weights": {
        shapes: True for shapes in ("2x4, 5x4", "2x4, 3x2", "4x4, 3x8", "2x7, 3x7")
    },
    "slopes": {
        "int8": [True, True],
        "uint8": [True, True],
        "int8-elements": [True, True],
    },
    "tensors_between": {
        "get": f"ValueError: Tensor data is null. {INTERMEDIATE}",
        "view": f"ValueError: Tensor data is null. {INTERMEDIATE}",
        "set": f"ValueError: Cannot set tensor: Tensor is unallocated. {INTERMEDIATE}",
        "fresh": f"ValueError: Tensor data is null. {INTERMEDIATE}",
        "input": UNALLOCATED,
        "output": [0, 3, 10, 21],
    },
    "constants": {
        way: {
            "get": [10, 20, 30],
            "set": "ValueError: Cannot set tensor: It is a constant of the model: 0, name: values",
            "view": [10, 20, 30],
            "write": "ValueError: assignment destination is read-only",
            "after": [10, 20, 30],
        }
        for way in ("path", "content")
    },
    "constants_of_int4": {
        "get": [1, 2, 3, 4, 5],
        "set": "ValueError: Cannot set tensor: It is a constant of the model: 2, name: packed",
        "view": [1, 2, 3, 4, 5],
        "after": [1, 2, 3, 4, 5],
    },
    "wrong_indices.99.get": BEYOND,
    "wrong_indices.99.set": BEYOND,
    "wrong_indices.99.view": BEYOND,
    "wrong_indices.subgraph.invoke": NO_SUBGRAPH,
    "wrong_indices.subgraph.allocate": NO_SUBGRAPH,
    "wrong_indices.subgraph.set": NO_SUBGRAPH,
    "wrong_values.rank": "ValueError: Cannot set tensor: Dimension mismatch. "
    "Got 1 but expected 2 for input 0.",
    "wrong_values.size": "ValueError: Cannot set tensor: Dimension mismatch. "
    "Got 7 but expected 8 for dimension 1 of input 0.",
    "wrong_values.failing": "ValueError: Failed to convert value into readable tensor.",
    "wrong_values.none": _not_set("STRING"),
    "wrong_types.d": _not_set("FLOAT64"),
    "wrong_types.l": _not_set("INT64"),
    "wrong_types.q": _not_set("INT64"),
    "wrong_types.>f4": None,
    "every_type.float16.1": [0, 1, 2, 3, 4, 5],
    "every_type.bool.1": [False, True, True, True, True, True],
    "every_type.int64.1": [0, 1, 2, 3, 4, 5],
    "every_type.uint16.1": [0, 1, 2, 3, 4, 5],
    "every_type.int4.1": [0, 1, 2, 3, 4, 5],
    "every_layout_of_every_type": {name: [] for name in TYPES},
    "integers_of_one_size": {letter: [0, 1, 2, 3, 4, 5] for letter in "lqLQiI"},
    "int4": {
        "dtype": "|i1",
        "set": None,
        "get": [-8, -1, 0, 1, 6, 7],
        "view": [-8, -1, 0, 1, 6, 7],
        "view_writeable": False,
        "below": OUTSIDE_INT4,
        "above": OUTSIDE_INT4,
        "packed": FLAT,
        "flat": FLAT,
        "turned": "ValueError: Cannot set tensor: Dimension mismatch. "
        "Got 3 but expected 2 for dimension 0 of input 6.",
        "uint8": _no_int8("UINT8"),
        "int32": _no_int8("INT32"),
        "unchanged": [-8, -1, 0, 1, 6, 7],
        "unallocated": UNALLOCATED,
        "odd": [1, 6, 7],
    },
    "layouts.big_endian": ROW,
    "layouts.transposed": ROW,
    "layouts.strided_rows": [1, 9, 17, 25, 33, 41, 49, 57],
    "layouts.fortran": ROW,
    "layouts.strided": [0, 8, 16, 24, 32, 40, 48, 56],
    "layouts.reversed": ROW[::-1],
    "layouts.broadcast": [2] * 8,
    "layouts.unaligned": ROW,
    "layouts.frozen": ROW,
    "layouts.list": _not_set("FLOAT64"),
    "layouts.masked": ROW,
    "layouts.__array__": ROW,
    "values_are_copied": [ROW, ROW, True],
    "scalars.get": 3.5,
    "scalars.view.0": "numpy.float32",
    "empty_tensors.get": [],
    # Strings
    "strings.bytes": [["one", "three"]] * 2,
    "strings.unicode": [["eins", "dräi\U0001f600".encode().decode("latin-1")]] * 2,
    "strings.object_bytes": [["one\0two\0", ""]] * 2,
    "strings.list": "ValueError: Passed in value type is not a numpy array, got type list.",
    "strings.surrogate": "ValueError: PyUnicode_AsUTF8String() failed.",
    "strings.integers": "ValueError: PyBytes_AsStringAndSize() failed.",
    "strings_without_a_shape.bytes": ["one"],
    "strings_without_a_shape.trailing_nul": ["one\0\0"],
    "strings_without_a_shape.unicode": ["one"],
    "strings_without_a_shape.object": ["one"],
    "strings_without_a_shape.object_text": ["dräi".encode().decode("latin-1")],
    "strings_resized.2": ["a", "b", "c"],
    "strings_resized.4": NEVER_A_STRING.format(1),
    "strings_unset.allocated": [NEVER_A_STRING.format(0)] * 2,
    "strings_unset.fresh": [NEVER_A_STRING.format(0)] * 2,
    "strings_unset.output": [NEVER_A_STRING.format(1)] * 2,
    "strings_unset.scalar": [NEVER_A_STRING.format(1)] * 2,
    "strings_unset.resized": [
        *([size, *[NEVER_A_STRING.format(0)] * 2] for size in (3, 1)),
        [0, [], []],
        [2, *[NEVER_A_STRING.format(0)] * 2],
    ],
    "strings_unset.resized_after_set": [
        *([size, *[RESIZED_SINCE.format(0)] * 2] for size in (3, 1)),
        [0, [], []],
        [2, *[["a", "b"]] * 2],
    ],
    "strings_of_a_damaged_model.good": [["one", "two"]] * 2,
    **{
        f"strings_of_a_damaged_model.{kind}": [RESIZED_SINCE.format(4 + 2 * number)] * 2
        for number, kind in enumerate(
            ("many", "few", "negative", "vast", "beyond", "backwards", "before", "short")
        )
    },
    "strings_viewed": {
        "kind": "O",
        "content": ["one", "two"],
        "writeable": False,
        "invoke": None,
        "output": ["one", "two"],
        "scalar": ["one"],
    },
    # Shapes
    "resize.open": [None, [1, 8, 9, 3]],
    "resize.open_strict": [None, [1, 8, 9, 3]],
    "resize.fixed": [None, [3, 2]],
    "resize.fixed_strict": FIXED.format(3),
    "resize.scalar": "ValueError: Shape should be 1D instead of 0.",
    "resize.swapped": [None, [2, 2]],
    "resize.strided": [None, [2, 2]],
    "resize.floats": [None, [2, 2]],
    "resize.uint64": [None, [1, 4]],
    "resize.beyond_int32": f"ValueError: tensor_size has a dimension beyond int32: [{2**40}]",
    "resize.beyond_int32_array": "ValueError: "
    f"tensor_size has a dimension beyond int32: [{2**32 + 1}, 4]",
    "resize_natively.swapped": [1, 4],
    "resize_natively.strided": [1, 4],
    "resize_natively.int64": "ValueError: Shape must be type int32 (was 7).",
    "dynamic_outputs.some.1": [3, 2],
    "dynamic_outputs.some.2": [0, 0, 1, 1, 1, 2],
    "dynamic_outputs.none.2": [],
    "dynamic_outputs.not_run": "ValueError: Tensor data is null. "
    "Run allocate_tensors() and invoke() first",
    "dynamic_shape_by_input.0.1": list(range(12)),
    # Errors while running
    "errors_add_up.0": [10, 30],
    "errors_add_up.1": f"RuntimeError: {GATHER}",
    "errors_add_up.3": [20, 20],
    "errors_of_thread_numbers_show_later": "RuntimeError: num_threads should be >=0 or just -1 "
    f"to let TFLite runtime set the value.{GATHER}",
    "errors_do_not_stay": [SUM, PRODUCT],
    # Variables
    "variable_tensors": [[[1], [3]], None, [5], [6]],
    "resource_variables.unset": NEVER_SET,
    "resource_variables.read": {"total": [11, 22]},
    "resource_variables.again": [{}, {"total": [20, 40]}],
    "resource_variables.reset": [None, {"total": [20, 40]}],
    "resource_variables.another": NEVER_SET,
    "resource_variables.subgraph": [1, 0],
    "resource_variables.handle_type": "numpy.object_",
    "second_subgraph": [None, None, None, None, None, None, [4, 5], 2, 4],
    # Views
    "views.same_memory": True,
    "views.output": SUM,
    "views.get": ROW,
    "views_take_every_layout": [ROW, ROW[::-1], ROW, ROW],
    "views_forbid.safe": False,
    "views_forbid.allocate": HELD,
    "views_forbid.invoke": HELD,
    "views_forbid.resize": HELD,
    "views_forbid.set": None,
    "views_forbid.seen": ROW,
    "views_forbid.slice": HELD,
    "views_forbid.dropped": [True, None],
    "views_forbid.derived": [(1, 8), None],
    "views_count_references": [2, 3, 4, 2],
    "views_outlive_the_interpreter": [True, [9, *ROW[1:]], True],
    "views_follow_reallocation": [(1, 4), (2, 5)],
    "interpreter_collected_in_a_cycle": True,
    "interpreter_collected_with_itself": [True, True],
    # References and threads
    "references": [0] * 6,
    "interpreter_handed_to_a_thread": [[SUM, PRODUCT]],
    "interpreters_in_threads.3.0": [value + 3 for value in SUM],
    "global_lock": {
        "create": False,
        "allocate": False,
        "set": False,
        "invoke": True,
        "get": False,
    },
    "invoke_in_a_forked_child": [SUM, PRODUCT],
    "delegates_are_not_copied": [
        ["TypeError: cannot copy or pickle 'Delegate' object"] * 3,
        [SUM, PRODUCT],
    ],
    # XNNPACK's options
    **{
        f"xnnpack_options.{way}": [SUM, PRODUCT]
        for way in ("none", "threads", "no_threads", "fp32", "fp16", "all", "loaded", "loaded_all")
    },
    "xnnpack_options.word": f"ValueError: 'half' {NO_PRECISION}",
    "xnnpack_options.capitals": f"ValueError: 'FP16' {NO_PRECISION}",
    "xnnpack_options.number": f"ValueError: '16' {NO_PRECISION}",
    **{
        f"xnnpack_options.{value}": f"ValueError: '{value}' {NO_THREADS}"
        for value in ("-1", "1025", "True", "four")
    },
    "xnnpack_options.float": f"ValueError: '2.0' {NO_THREADS}",
    "xnnpack_options_loaded.unknown": "is no option of XNNPACK: these are num_threads, precision, "
    "weight_cache, share_weights",
    "xnnpack_options_loaded.value": NO_PRECISION,
    "xnnpack_is_applied_once": [["ADD", "MUL", "DELEGATE"]] * 4,
    "xnnpack_after_another_delegate": [SUM, PRODUCT],
    "xnnpack_that_nobody_holds": [[SUM, PRODUCT]] * 2,
    "xnnpack_in_many_interpreters": [14, True],
    "xnnpack_in_fp16_with_weights_of_an_input": [1.5] * 6,
    "xnnpack_in_signature_runners": "DELEGATE",
    **{f"xnnpack_in_fp16.{name}": True for name in ("close", "int8", "uint8", "variable")},
    "xnnpack_in_fp16.dynamic": "ValueError: Didn't find op for builtin opcode 'FULLY_CONNECTED' "
    "version '12'. An older version of this builtin might be supported. Are you using an old "
    "TFLite binary with a newer model?\nRegistration failed.\n",
    "xnnpack_in_fp16.operator": "RuntimeError: Encountered unresolved custom op: "
    "MaxPoolingWithArgmax2D.\nSee instructions: https://www.tensorflow.org/lite/guide/ops_custom "
    "Node number 1 (MaxPoolingWithArgmax2D) failed to prepare."
    "Encountered unresolved custom op: MaxPoolingWithArgmax2D.\nSee instructions: "
    "https://www.tensorflow.org/lite/guide/ops_custom "
    "Node number 1 (MaxPoolingWithArgmax2D) failed to prepare.",
    "xnnpack_after_resizing": [[1, True], [3, True], [2, True]],
    **{
        f"shapes_that_xnnpack_refuses.{time}": [
            *("DEQUANTIZE", "DEQUANTIZE", "GATHER", "FILL", "NEG", "FULLY_CONNECTED"),
        ]
        for time in ("uses", "left")
    },
    "shapes_that_xnnpack_refuses.two": [[2, 2], [-1, -2, -1, -2], [4, 3]],
    "shapes_that_xnnpack_refuses.none": [[0, 2], [], [4, 3]],
    "shapes_that_xnnpack_refuses.seven": [[2, 2], [-1, -2, -1, -2], [4, 3]],
    "constants_after_resizing": [[4, 3]] * 3,
    "shapes_that_xnnpack_refuses.again": [[1, 2], [-1, -2], [4, 3]],
    "shapes_that_xnnpack_refuses.empty": [],
    "shapes_that_xnnpack_refuses.one": [5],
    "shapes_that_xnnpack_refuses.resized": "RuntimeError: failed to create XNNPACK Value for "
    "tensor 0Node number 2 (TfLiteXNNPackDelegate) failed to prepare."
    "Restored original execution plan after delegate application failure.",
    "shapes_that_xnnpack_refuses.resized_again": [5, 5],
    "xnnpack_threads": [[0, 2], [1, 0], [2, 1], [2]],
    "xnnpack_threads_in_a_forked_child": "RuntimeError: This interpreter was made before fork(), "
    "and its threads are in the parent process. Make the interpreter after the fork, or with "
    "num_threads=1.",
    "xnnpack_in_the_environment": {
        "threads": [2, []],
        "no_threads": [0, []],
        "wrong_threads": [
            0,
            [f"WARNING: TFLITE_NUM_THREADS is ignored: 'many' {NO_THREADS}"],
        ],
        "given_threads": [1, []],
        "empty": [0, []],
        "fp16": [0, []],
        "wrong_precision": [
            0,
            [f"WARNING: TFLITE_XNNPACK_PRECISION is ignored: 'half' {NO_PRECISION}"],
        ],
    },
    # packed weights
    **{
        f"weights_in_a_file.{kind}": [[True, []], True, [True, []], True]
        for kind in ("float32", "int8", "uint8")
    },
    "weights_of_one_model_in_two_precisions": [[True, True], [True, True], True],
    "weights_shared": dict.fromkeys(("float32", "int8", "uint8"), True),
    "weights_shared_in_many_threads": [24, True],
    "weights_that_layers_share": [True] * 4,
    **{
        f"weights_in_bad_files.{name}": [[True, [_replaced(why)]], [True, []], True]
        for name, why in WRONG_WEIGHTS.items()
    },
    **{
        f"weights_in_bad_files.{name}": [
            *([[True, [_unused("it is no file of packed weights")]]] * 2),
            False,
        ]
        for name in ("something", "letter", "later")
    },
    "weights_with_any_bit_flipped": 0,
    "weights_of_another_model": [[True, [_replaced("it is of another model")]], [True, []]],
    "weights_that_cannot_be_written": {
        "no_folder": [True, [_unwritten("nowhere/weights", "No such file or directory")]],
        "file_for_folder": [
            True,
            [_unused("it cannot be read: Not a directory", "arithmetic.tflite/weights")],
        ],
        "read_only": [True, [_unwritten("/usr/weights", "Read-only file system")]],
        "full": [[True, [_unwritten("weights.cache", "File too large")]], False],
        "folder": [True, [_unused("it is no regular file")]],
        "pipe": [True, [_unused("it is no regular file")]],
        "loop": [
            [True, [_unused("it cannot be read: Too many levels of symbolic links")]],
            True,
        ],
        "left": [],
    },
    "weights_beside_what_a_killed_process_left": [[True, True, [0, 0]], []],
    "weights_in_files_of_any_name": [[[True, []], True]] * 2,
    "weights_where_names_are_in_latin_1": ["weights-\xe9"],
    "weights_of_two_processes_at_once": [20, [True, []]],
    "weights_in_the_environment": [
        [True, ["WARNING: TFLITE_XNNPACK_WEIGHT_CACHE is ignored: 'weights' is no folder"]],
        *([[True, []]] * 2),
        2,
        3,
    ],
    "weights_in_signature_runners": [True, True],
    "weights_after_resizing": [True, True, 1],
    "weights_options": ["'yes' is neither True nor False", "", ""],
}

_DETECTIONS = "operator 0 (CUSTOM) of subgraph 0: custom_options of TFLite_Detection_PostProcess"
_GATHER_OF_0 = "operator 0 (GATHER) of subgraph 0"
WRONG_MODELS = {
    "again": "operator 1 (GATHER) of subgraph 0: outputs[0] is tensor 2 (found) of subgraph 0, the "
    "output of another operator",
    "axis": "tensor 0 (input) of subgraph 0: quantization has 2 scales, which dimension 0 has not",
    "buffer": "buffer 1: offset 18446744073709551608 with size 12 is beyond the file's end",
    "constant": f"{_GATHER_OF_0}: outputs[0] is tensor 0 (values) of subgraph 0, a constant",
    "dimensions": "tensor 0 (values) of subgraph 0: shape has 33 dimensions, more than 32",
    "elements": "tensor 1 (index) of subgraph 0: shape has more than 2147483647 elements",
    "graph-input": "subgraph 0: inputs[0] is -1, which is not optional",
    "if": "operator 0 (IF) of subgraph 0: then_subgraph_index is -4, of 3",
    "index": f"{_GATHER_OF_0}: inputs[1] is tensor 99, of 3",
    "input-written": "operator 0 (ADD) of subgraph 2: outputs[0] is tensor 0 (x) of subgraph 2, an "
    "input of the subgraph",
    "late": "operator 1 (GATHER) of subgraph 0: outputs[0] is tensor 2 (found) of subgraph 0, "
    "which was read before",
    "loop": "subgraph 0: it runs itself",
    "metadata": "metadata 0: buffer is 99, of 2",
    "negative": "tensor 1 (index) of subgraph 0: shape[0] is -2",
    "no-outputs": f"{_GATHER_OF_0}: it has no outputs",
    "opcode": "operator 0 (CUSTOM) of subgraph 0: opcode_index is 9, of 1",
    "optional": f"{_GATHER_OF_0}: inputs[1] is -1, which is not optional",
    "options": f"{_DETECTIONS} is no FlexBuffers map",
    "options-missing": f"{_DETECTIONS} is no FlexBuffers map",
    "signature": "signature arithmetic: subgraph_index is 7, of 1",
    "signature-input": "signature arithmetic: inputs[0] is tensor 99, of 4",
    "signature-shape": "tensor 1 (index) of subgraph 0: shape_signature has 2 dimensions, shape 1",
    "sparse-column": "tensor 2 (sparse) of subgraph 0: sparsity.dim_metadata[1] does not fit 3 "
    "elements",
    "sparse-order": "tensor 2 (sparse) of subgraph 0: sparsity.traversal_order[1] is 7",
    "sparse-rows": "tensor 2 (sparse) of subgraph 0: sparsity.dim_metadata[1] does not fit 3 "
    "elements",
    "sparse-size": "tensor 2 (sparse) of subgraph 0: buffer has 1 elements, of the 2 that sparsity "
    "says",
    "splits": "operator 0 (SPLIT) of subgraph 0: num_splits is 127, for 2 outputs",
    "state": "operator 0 (SVDF) of subgraph 0: inputs[4] is a variable of type INT4, not FLOAT32",
    "subgraphs": "subgraphs: there are none",
    "twice": "operator 0 (SPLIT) of subgraph 0: outputs[1] is tensor 2 (y0) of subgraph 0, as "
    "outputs[0] is",
    "type": "operator 0 (RESHAPE) of subgraph 0: outputs[0] is of type INT8, inputs[0] of STRING",
    "variant": f"{_GATHER_OF_0}: tensor 1 (index) of subgraph 0 is a VARIANT",
    "while": "operator 0 (WHILE) of subgraph 0: body_subgraph_index is 3, of 3",
    "zero-points": "tensor 0 (input) of subgraph 0: quantization has 2 zero points for 1 scales",
}
"""What is wrong with the models of ``wrong_models.py``, in words."""

KERNELS = (
    *("ATAN2", "BATCH_TO_SPACE_ND", "BROADCAST_ARGS", "DIV", "EMBEDDING_LOOKUP_SPARSE"),
    *("L2_NORMALIZATION", "MATRIX_SET_DIAG", "MIRROR_PAD", "NON_MAX_SUPPRESSION_V5", "ONE_HOT"),
    *("PAD", "POW", "RANDOM_UNIFORM", "RESIZE_BILINEAR", "REVERSE_SEQUENCE", "SCATTER_ND", "SLICE"),
    *("SPACE_TO_BATCH_ND", "SPARSE_TO_DENSE", "SPLIT", "SPLIT_V", "TILE", "TOPK_V2"),
    *("TRANSPOSE_CONV", "UNSORTED_SEGMENT_SUM"),
)
"""Kernels that get integers and shapes with which they read or wrote outside of their tensors."""

_MANY = "ValueError: 5000 is no number of threads: these are 0 to 1024, and 0 means 1"
RESULTS.update(
    {
        **{
            f"wrong_models.{name}": f"ValueError: The model is not valid: {words}."
            for name, words in WRONG_MODELS.items()
        },
        **{f"kernels_refuse.{kernel}": ["RuntimeError"] for kernel in KERNELS},
        "views_hold_the_model": [True, True, 100],
        "errors_do_not_grow": 1,
        "nul_in_a_path": "ValueError: embedded null character in path",
        "too_many_threads": {"constructor": _MANY, "method": _MANY},
        "text_that_unicode_has_not": "ValueError: An element of the array is no text that Unicode "
        "has.",
        "resource_handle_as_a_value": VALUELESS.format(0, "RESOURCE"),
        "what_numpy_has_not": {
            way: {"variant": VALUELESS.format(1, "VARIANT"), "dimensions": "ValueError"}
            for way in ("get", "view")
        },
        "memory_that_was_refused": {"refused": True, "right": [3] * 8, "again": [3] * 4},
        "object_arrays_of_rank_0.bytes": ["x"],
        "object_arrays_of_rank_0.none": "ValueError: PyBytes_AsStringAndSize() failed.",
    }
)

_NEWEST_DENSE = {
    **DENSE,
    "quantization_parameters": {
        "scales": [],
        "zero_points": [],
        "quantized_dimension": 0,
        "block_size": 0,
    },
}
_OWN_TO_2_14 = ("native_creation.six_bytes", "native_creation.tuples", "native_creation.resolver_0")
"""The functions that these call take three arguments more."""

NEWEST = {
    **{path: result for path, result in RESULTS.items() if path not in _OWN_TO_2_14},
    "native_class.dir": sorted([*RESULTS["native_class.dir"], "NumSubgraphs"]),
    # XNNPACK runs each operator for itself, and no output is written over an input.
    "preserve_all_tensors.AUTO": [
        *(["ADD", "MUL", "ADD", "DELEGATE", "DELEGATE", "DELEGATE"], [0, 1, 2, 3]),
        *([0, 2, 4, 6], [0, 2, 8, 18], [0, 3, 10, 21]),
    ],
    "details.inputs": [
        {"name": "x", "index": 0, **_NEWEST_DENSE},
        {"name": "y", "index": 1, **_NEWEST_DENSE},
    ],
    "details_of_quantised_tensors.first.0.quantization_parameters": {
        "scales": [1 / 128],
        "zero_points": [0],
        "quantized_dimension": 0,
        "block_size": 0,
    },
    "operators.after.2": {
        "index": 2,
        "op_name": "DELEGATE",
        "inputs": [0, 1],
        "outputs": [2, 3],
        "operand_types": ["numpy.float32"] * 2,
        "result_types": ["numpy.float32"] * 2,
    },
    "signature_runner.inputs.right": {"name": "y", "index": 1, **_NEWEST_DENSE},
    "signature_runner_refuses.wrong_key": 'ValueError: Invalid signature_key provided: "nothing".',
    "shapes_that_xnnpack_refuses.uses": [
        *RESULTS["shapes_that_xnnpack_refuses.uses"],
        *("DELEGATE", "DELEGATE"),
    ],
    "shapes_that_xnnpack_refuses.resized": [5, 5],
    # The release has these operators.
    "xnnpack_in_fp16.dynamic": True,
    "xnnpack_in_fp16.operator": [4109, 4113, 4125, 4129],
    # A resource variable that was never set is zero.
    "resource_variables.unset": {"total": [10, 20]},
    "resource_variables.another": {"total": [10, 20]},
}
"""What the newest TFLite does."""

REFUSED = {
    **{
        f"integers.{value}": "TensorName"
        for value in ("float", "float64", "'1'", "None", "2**31", "2**80", "failing", "[1]")
    },
    **{f"truth_values.{value}": "ResizeInputTensor" for value in ("'1'", "''", "[]", "failing")},
    **{
        f"addresses.{value}": "ModifyGraphWithDelegate"
        for value in ("float", "None", "-1", "2**64")
    },
    **{
        f"texts.{value}": "GetSubgraphIndexFromSignature"
        for value in ("memoryview", "int", "surrogate")
    },
    **{
        f"native_creation.{way}": "CreateWrapperFromFile"
        for way in ("none", "four", "seven", "keyword", "none_for_list", "integers_for_functions")
    },
    "native_creation.none_bytes": "CreateWrapperFromBuffer",
    "paths.int": "CreateWrapperFromFile",
    "log_levels.native": "SetLogLevel",
    "contents.bytearray": "CreateWrapperFromBuffer",
    "contents.memoryview": "CreateWrapperFromBuffer",
    "contents.str": "CreateWrapperFromBuffer",
    "registerers_by_function.int": "CreateWrapperFromFile",
    "methods_called_through_the_class.wrong": "NumTensors",
    "wrong_indices.None.get": "GetTensor",
    "wrong_indices.'0'.set": "SetTensor",
    "wrong_indices.2147483648.view": "tensor",
    "arguments_by_keyword.twice": "GetTensor",
    "arguments_by_unknown_keyword.arg0": "NumTensors",
}
"""Arguments that are wrong, and the function that the TypeError must name."""

RESIDENT = 1024
"""Kilobytes by which 2,000 cycles may grow a process: measured 212 at most, and the emulator's."""


LONG32 = {
    "wrong_types.l": _not_set("INT32"),
    "resize_natively.int64": "ValueError: Shape must be type int32 (was 9).",
}
"""Results where C's long has 32 bits: what NumPy calls int64 is its long long."""


def on(processor: Architecture, results: dict[str, Any]) -> dict[str, Any]:
    """The results on a processor, whose folder of libraries some of them name."""
    own = LONG32 if processor.bits == 32 else {}
    return {
        path: result.replace("{libraries}", processor.multiarch)
        if isinstance(result, str)
        else result
        for path, result in {**results, **own}.items()
    }
