import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex, TypedDict, type_check_only

import numpy as np
from _typeshed import StrOrBytesPath
from numpy.typing import ArrayLike, NDArray

# What only type checkers know: the dictionaries that an interpreter tells of itself in.

@type_check_only
class _QuantizationParameters(TypedDict):
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int32]
    quantized_dimension: int
    block_size: int  # since 2.22

@type_check_only
class _DimensionMetadata(TypedDict, total=False):
    format: int
    dense_size: int
    array_segments: NDArray[np.int32]
    array_indices: NDArray[np.int32]

@type_check_only
class _SparsityParameters(TypedDict, total=False):
    traversal_order: NDArray[np.int32]
    block_map: NDArray[np.int32]
    dim_metadata: list[_DimensionMetadata]

@type_check_only
class _TensorDetails(TypedDict):
    name: str
    index: int
    shape: NDArray[np.int32]
    shape_signature: NDArray[np.int32]
    dtype: type[np.generic]
    quantization: tuple[float, int]
    quantization_parameters: _QuantizationParameters
    sparsity_parameters: _SparsityParameters

@type_check_only
class _OperatorDetails(TypedDict):
    index: int
    op_name: str
    inputs: NDArray[np.int32]
    outputs: NDArray[np.int32]
    operand_types: list[type[np.generic]]  # since 2.22
    result_types: list[type[np.generic]]  # since 2.22

@type_check_only
class _Signature(TypedDict):
    inputs: list[str]
    outputs: list[str]

class Delegate:
    def __init__(
        self,
        library: StrOrBytesPath,
        options: Mapping[str, object] | None = None,
    ) -> None: ...
    def __del__(self) -> None: ...

def load_delegate(
    library: StrOrBytesPath,
    options: Mapping[str, object] | None = None,
) -> Delegate: ...

class SignatureRunner:
    def __init__(
        self,
        interpreter: Interpreter | None = None,
        signature_key: str | None = None,
    ) -> None: ...
    def __call__(self, **kwargs: NDArray[Any] | np.generic) -> dict[str, NDArray[Any]]: ...
    def get_input_details(self) -> dict[str, _TensorDetails]: ...
    def get_output_details(self) -> dict[str, _TensorDetails]: ...

class OpResolverType(enum.Enum):
    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3

class Interpreter:
    def __init__(
        self,
        model_path: StrOrBytesPath | None = None,
        model_content: bytes | None = None,
        experimental_delegates: Sequence[Delegate] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: OpResolverType = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,  # since 2.22
        experimental_compress_quantization_zero_points: bool = False,  # since 2.22
    ) -> None: ...
    def __del__(self) -> None: ...
    def allocate_tensors(self) -> None: ...
    def invoke(self) -> None: ...
    def reset_all_variables(self) -> None: ...
    def resize_tensor_input(
        self,
        input_index: SupportsIndex,
        tensor_size: Sequence[SupportsIndex] | NDArray[np.integer[Any]],
        strict: bool = False,
    ) -> None: ...
    # A tensor that has no dimensions is a NumPy scalar, which behaves like such an array.
    def get_tensor(
        self,
        tensor_index: SupportsIndex,
        subgraph_index: SupportsIndex = 0,
    ) -> NDArray[Any]: ...
    def set_tensor(self, tensor_index: SupportsIndex, value: ArrayLike) -> None: ...
    def tensor(self, tensor_index: SupportsIndex) -> Callable[[], NDArray[Any]]: ...
    def get_input_details(self) -> list[_TensorDetails]: ...
    def get_output_details(self) -> list[_TensorDetails]: ...
    def get_tensor_details(
        self,
        subgraph_index: int = 0,  # since 2.22
    ) -> list[_TensorDetails]: ...
    def num_subgraphs(self) -> int: ...  # since 2.22
    def get_signature_list(self) -> dict[str, _Signature]: ...
    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner: ...
    @property  # since 2.22
    def experimental_compress_quantization_zero_points(self) -> bool: ...  # since 2.22
    # Upstream's documents tell users of these two.
    def _get_ops_details(self) -> list[_OperatorDetails]: ...
    def _native_handle(self) -> int: ...

class InterpreterWithCustomOps(Interpreter):
    def __init__(
        self,
        custom_op_registerers: Sequence[str | Callable[[int], object]] | None = None,
        *,
        model_path: StrOrBytesPath | None = None,
        model_content: bytes | None = None,
        experimental_delegates: Sequence[Delegate] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: OpResolverType = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,  # since 2.22
        experimental_compress_quantization_zero_points: bool = False,  # since 2.22
    ) -> None: ...
