from typing import Literal

from tflite_runtime.interpreter import Delegate

def delegate(
    *,
    num_threads: int | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
) -> Delegate: ...
