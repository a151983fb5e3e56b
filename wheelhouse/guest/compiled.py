"""As ``workload.py``, with ai-edge-litert's CompiledModel: ``compiled.py MODEL TIMES``.

``XNNPACK_FLAGS`` in the environment are the flags of XNNPACK's delegate; without it they are
ai-edge-litert's own. There is no call to allocate tensors: what is counted there is the making of
the buffers.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import numpy as np

# Types of numbers that no model here has; the module is not installed.
_TYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
sys.modules["ml_dtypes"] = SimpleNamespace(**dict.fromkeys(_TYPES, np.float16))  # type: ignore[assignment]

from ai_edge_litert.compiled_model import (  # type: ignore[import-untyped]  # noqa: E402
    CompiledModel,
    CpuOptions,
    Options,
)


def main(model: str, times: int) -> None:
    """Write a ramp to the first input, run and read the first output, ``times`` times."""
    flags = os.environ.get("XNNPACK_FLAGS")
    options = Options(
        cpu_options=CpuOptions(num_threads=1, xnnpack_flags=int(flags) if flags else None)
    )
    os.getppid()
    compiled = CompiledModel.from_file(model, options=options)
    os.getppid()
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    os.getppid()
    entry, last = inputs[0].get_tensor_details(), outputs[0].get_tensor_details()
    values = (np.arange(np.prod(entry["shape"])) % 101).astype(entry["dtype"])
    size = int(np.prod(last["shape"]))
    os.getppid()
    for _ in range(times):
        inputs[0].write(values)
        compiled.run_by_index(0, inputs, outputs)
        outputs[0].read(size, last["dtype"])
        os.getppid()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
