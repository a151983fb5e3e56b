from typing import Literal

from _typeshed import StrOrBytesPath

from tflite_runtime.interpreter import Delegate

def delegate(
    *,
    num_threads: int | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
    weight_cache: StrOrBytesPath | None = None,
    share_weights: bool = False,
) -> Delegate: ...
