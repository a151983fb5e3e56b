"""Compile Arm Compute Library, whose kernels Arm NN's backend CpuAcc runs.

Compiled are its kernels for Armv8.0 and those for half precision and dot products, which it chooses
at run time. Kernels for extensions that no Raspberry Pi has are left out: SVE, SME, BF16, I8MM.
"""

from __future__ import annotations

import json
from pathlib import Path

from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile.library import archive, library
from wheelhouse.sources import pins

_KINDS = frozenset({"common", "estate64", "fp32", "integer", "nchw", "qasymm8", "qasymm8_signed"})
_KINDS |= {"qasymm16", "qasymm16_signed", "qsymm16"}
_FLAGS = (
    "-std=c++14",
    "-march=armv8-a",
    "-DARCH_ARM",
    "-DARM_COMPUTE_CPP_SCHEDULER=1",  # C++ threads, not OpenMP
    "-DENABLE_NEON",
    "-DARM_COMPUTE_ENABLE_NEON",
    "-DARM_COMPUTE_ENABLE_FP16",
    "-DENABLE_FP16_KERNELS",
    "-DENABLE_FP32_KERNELS",
    "-DENABLE_INTEGER_KERNELS",
    "-DENABLE_NCHW_KERNELS",
    "-DENABLE_NHWC_KERNELS",
    "-DENABLE_QASYMM8_KERNELS",
    "-DENABLE_QASYMM8_SIGNED_KERNELS",
    "-DENABLE_QSYMM16_KERNELS",
    "-DARM_COMPUTE_VERSION_MAJOR=43",
    "-DARM_COMPUTE_VERSION_MINOR=0",
    "-DARM_COMPUTE_VERSION_PATCH=0",
)
# Its own build uses armv8.2-a+fp16; with that the compiler puts Armv8.1 atomics into functions that
# run on a Raspberry Pi 4 too.
_HALF = "-march=armv8-a+fp16"
_INCLUDES = (
    "arm-compute-library",
    "arm-compute-library/include",
    "arm-compute-library/src",
    "arm-compute-library/src/core",
    "arm-compute-library/src/core/NEON/kernels/arm_conv",
    "arm-compute-library/src/core/NEON/kernels/arm_conv/depthwise",
    "arm-compute-library/src/core/NEON/kernels/arm_conv/pooling",
    "arm-compute-library/src/core/NEON/kernels/arm_gemm",
    "arm-compute-library/src/core/NEON/kernels/assembly",
    "arm-compute-library/src/core/NEON/kernels/convolution/common",
    "arm-compute-library/src/core/NEON/kernels/convolution/winograd",
    "arm-compute-library/src/cpu/kernels/assembly",
)


def kernels(processor: str, floor: str) -> Step:
    """The step that compiles the static library for a processor and a glibc floor."""
    return library(pins.shared("arm-compute-library"), (), processor, floor, _compile)


def _compile(inputs: Inputs, folder: Path) -> None:
    chosen = source_files(inputs.needs["arm-compute-library"])
    version = f'"arm-compute-library-{inputs.parameters["version"]}"\n'
    texts = {"arm_compute_version.embed": version}
    archive(inputs, folder, chosen=chosen, flags=_FLAGS, includes=_INCLUDES, texts=texts)


def source_files(tree: Path) -> dict[str, str]:
    """The sources to compile, from the component's ``filelist.json``, each with its own flags."""
    listed = json.loads((tree / "filelist.json").read_text())
    common = {
        *listed["common"],
        *listed["c_api"]["common"],
        *listed["c_api"]["operators"],
        *listed["scheduler"]["single"],
        *listed["scheduler"]["threads"],
        *listed["cpu"]["common"],
    }
    half: set[str] = set()
    for operator in listed["cpu"]["operators"].values():
        common |= {*operator["files"]["common"]}
        for kind, names in operator["files"].get("neon", {}).items():
            common |= {*names} if kind in _KINDS else set()
            half |= {*names} if kind == "fp16" else set()
    return dict.fromkeys(common, "") | dict.fromkeys(half, _HALF)
