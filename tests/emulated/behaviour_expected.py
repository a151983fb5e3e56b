"""What every wheel must do: paths into the report of ``behaviour.py`` and what stands there."""

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
BEYOND = "ValueError: Invalid tensor index 99 exceeds max tensor index 4"
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
    "RuntimeError: tensorflow/tensorflow/lite/kernels/read_variable.cc:67 "
    "variable != nullptr was not true.Node number 1 (READ_VARIABLE) failed to invoke."
)
OVERFLOW = (
    "RuntimeError: tensorflow/tensorflow/lite/util.cc "
    "BytesRequired number of elements overflowed.\n"
)
DENSE = {
    "shape": [1, 8],
    "shape_signature": [1, 8],
    "dtype": "numpy.float32",
    "quantization": (0, 0),
    "quantization_parameters": {"scales": [], "zero_points": [], "quantized_dimension": 0},
    "sparsity_parameters": {},
}


def _not_set(got: str, wanted: str = "FLOAT32", index: int = 0, name: str = "x") -> str:
    return (
        f"ValueError: Cannot set tensor: Got value of type {got} but expected type {wanted} "
        f"for input {index}, name: {name} "
    )


RESULTS = {
    # The module and its class
    "module.name": "tflite_runtime._pywrap_tensorflow_interpreter_wrapper",
    "module.doc": "\n    _pywrap_tensorflow_interpreter_wrapper\n    -----\n  ",
    "module.public": ["CreateWrapperFromBuffer", "CreateWrapperFromFile", "InterpreterWrapper"],
    "native_class.repr": f"<class '{NATIVE}'>",
    "native_class.instance": f"<{NATIVE} object at 0x>",
    "native_class.dir": [
        *("AllocateTensors", "GetSignatureDefs", "GetSubgraphIndexFromSignature", "GetTensor"),
        *("InputIndices", "Invoke", "ModifyGraphWithDelegate", "NodeInputs", "NodeName"),
        *("NodeOutputs", "NumNodes", "NumTensors", "OutputIndices", "ResetVariableTensors"),
        *("ResizeInputTensor", "SetNumThreads", "SetTensor", "TensorName", "TensorQuantization"),
        *("TensorQuantizationParameters", "TensorSize", "TensorSizeSignature"),
        *("TensorSparsityParameters", "TensorType", "interpreter", "tensor"),
    ],
    "native_class.equal": [True, False],
    "native_class_has_no_constructor.plain": f"TypeError: {NATIVE}: No constructor defined!",
    "native_class_has_no_constructor.inherited": "TypeError: Inherited: No constructor defined!",
    "native_attributes.dict": False,
    "native_weak_reference": [True, True, [True]],
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
    "paths.missing": "ValueError: Could not open 'missing.tflite'."
    "The model allocation is null/empty",
    "contents.bytes": [SUM, PRODUCT],
    "contents.inherited": [SUM, PRODUCT],
    "content_outlives_its_name.2": [SUM, PRODUCT],
    "bad_files_by_path.bad-noise": "ValueError: The model is not a valid Flatbuffer buffer",
    "bad_files_by_path.bad-truncated": "ValueError: The model is not a valid Flatbuffer buffer",
    "bad_files_by_content.bad-noise": "ValueError: The model is not a valid Flatbuffer buffer",
    "bad_files_by_content.bad-buffer-out-of-range": "ValueError: "
    "Tensor 1 specifies out of range buffer 999 (only 1 buffers).\n",
    "thread_options.4": [SUM, PRODUCT],
    "thread_options.0": "ValueError: num_threads should >= 1",
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
    "unknown_operator.invoke": f"RuntimeError: {UNRESOLVED * 3}"
    "Invoke called on model that is not ready.",
    # Delegates
    "load_delegate_fails.missing": "OSError: missing.so: cannot open shared object file: "
    "No such file or directory",
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
    "details_of_sparse_tensors.details.sparsity_parameters": {
        "traversal_order": [0, 1],
        "block_map": [],
        "dim_metadata": [
            {"format": 0, "dense_size": 2},
            {"format": 1, "array_segments": [0, 1, 2], "array_indices": [2, 0]},
        ],
    },
    "details_of_sparse_tensors.content": [5, 7],
    "details_of_nothing.beyond": BEYOND,
    "details_of_nothing.name": "",
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
    "wrong_types.q": _not_set("NOTYPE"),
    "every_type.float16.1": [0, 1, 2, 3, 4, 5],
    "every_type.bool.1": [False, True, True, True, True, True],
    "every_type.int64.1": [0, 1, 2, 3, 4, 5],
    "every_type.uint16.0": _not_set("NOTYPE", "UINT16", 12, "uint16"),
    "int4.dtype": "|i1",
    "int4.set": _not_set("INT8", "INT4", 6, "int4"),
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
    "strings_resized.2": ["a", "b", "c"],
    # Shapes
    "resize.open": [None, [1, 8, 9, 3]],
    "resize.open_strict": [None, [1, 8, 9, 3]],
    "resize.fixed": [None, [3, 2]],
    "resize.fixed_strict": FIXED.format(3),
    "resize.scalar": "ValueError: Shape should be 1D instead of 0.",
    "resize_natively.int64": "ValueError: Shape must be type int32 (was 7).",
    "dynamic_outputs.some.1": [3, 2],
    "dynamic_outputs.some.2": [0, 0, 1, 1, 1, 2],
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
    "views.base": True,
    "views.same_memory": True,
    "views.output": SUM,
    "views.get": ROW,
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
    "views_outlive_the_interpreter": [True, [9, *ROW[1:]], NATIVE, True],
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
}

IN_EVERY_RELEASE = (
    *("absurd_sizes", "kernels_round_like_the_reference_kernels", "shapes_that_kernels_refuse"),
    "unused_results",
)
"""Cases that TFLite 2.22 must do as ``RESULTS`` says, too."""

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
    "paths.path": "CreateWrapperFromFile",
    "paths.int": "CreateWrapperFromFile",
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
