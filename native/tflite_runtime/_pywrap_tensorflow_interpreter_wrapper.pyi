from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

@overload
def CreateWrapperFromFile(
    model_path: str | bytes,
    op_resolver_id: SupportsIndex,
    registerers: Sequence[str],
    preserve_all_tensors: bool,
    disable_delegate_clustering: bool,
    /,
) -> InterpreterWrapper: ...
@overload
def CreateWrapperFromFile(
    model_path: str | bytes,
    op_resolver_id: SupportsIndex,
    registerers_by_name: Sequence[str],
    registerers_by_func: Sequence[Callable[[int], object]],
    preserve_all_tensors: bool,
    disable_delegate_clustering: bool,
    num_threads: SupportsIndex,  # since 2.22
    default_delegate_latest_features: bool,  # since 2.22
    compress_quantization_zero_points: bool,  # since 2.22
    /,
) -> InterpreterWrapper: ...
@overload
def CreateWrapperFromBuffer(
    data: bytes,
    op_resolver_id: SupportsIndex,
    registerers: Sequence[str],
    preserve_all_tensors: bool,
    disable_delegate_clustering: bool,
    /,
) -> InterpreterWrapper: ...
@overload
def CreateWrapperFromBuffer(
    data: bytes,
    op_resolver_id: SupportsIndex,
    registerers_by_name: Sequence[str],
    registerers_by_func: Sequence[Callable[[int], object]],
    preserve_all_tensors: bool,
    disable_delegate_clustering: bool,
    num_threads: SupportsIndex,  # since 2.22
    default_delegate_latest_features: bool,  # since 2.22
    compress_quantization_zero_points: bool,  # since 2.22
    /,
) -> InterpreterWrapper: ...
def SetLogLevel(level: str, /) -> None: ...

class InterpreterWrapper:
    def AllocateTensors(self, subgraph_index: SupportsIndex = -1) -> None: ...
    def Invoke(self, subgraph_index: SupportsIndex = 0) -> None: ...
    def InputIndices(self) -> NDArray[np.int32]: ...
    def OutputIndices(self) -> NDArray[np.int32]: ...
    def ResizeInputTensor(
        self,
        i: SupportsIndex,
        value: NDArray[np.int32],
        strict: bool,
        subgraph_index: SupportsIndex = 0,
    ) -> None: ...
    def NumTensors(self, subgraph_index: SupportsIndex, /) -> int: ...
    def NumViews(self) -> int: ...
    def NumSubgraphs(self) -> int: ...  # since 2.22
    def TensorName(self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex, /) -> str: ...
    def TensorType(
        self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex, /
    ) -> type[np.generic]: ...
    def TensorSize(
        self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex, /
    ) -> NDArray[np.int32]: ...
    def TensorSizeSignature(
        self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex, /
    ) -> NDArray[np.int32]: ...
    def TensorSparsityParameters(
        self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex, /
    ) -> dict[str, Any]: ...
    def TensorQuantization(
        self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex, /
    ) -> tuple[float, int]: ...
    def TensorQuantizationParameters(
        self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex, /
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.int32],
        int,
        int,  # since 2.22
    ]: ...
    def SetTensor(
        self, i: SupportsIndex, value: ArrayLike, subgraph_index: SupportsIndex = 0
    ) -> None: ...
    def GetTensor(
        self, tensor_index: SupportsIndex, subgraph_index: SupportsIndex = 0
    ) -> NDArray[Any]: ...
    def GetSubgraphIndexFromSignature(self, signature_key: str, /) -> int: ...
    def GetSignatureDefs(self) -> dict[str, dict[str, dict[str, int]]]: ...
    def ResetVariableTensors(self) -> None: ...
    def NumNodes(self) -> int: ...
    def NodeName(self, i: SupportsIndex, /) -> str: ...
    def NodeInputs(self, i: SupportsIndex, /) -> NDArray[np.int32]: ...
    def NodeOutputs(self, i: SupportsIndex, /) -> NDArray[np.int32]: ...
    def tensor(
        self,
        base_object: object,
        tensor_index: SupportsIndex,
        subgraph_index: SupportsIndex = 0,
    ) -> NDArray[Any]: ...
    def ModifyGraphWithDelegate(self, delegate: SupportsIndex, /) -> None: ...
    def SetNumThreads(self, num_threads: SupportsIndex, /) -> None: ...
    def interpreter(self) -> int: ...
