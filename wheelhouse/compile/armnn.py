"""Compile Arm NN with its backends CpuAcc and CpuRef, and its classic delegate for TFLite.

They are separate steps, so a change to the delegate's few files does not compile Arm NN again.
"""

from __future__ import annotations

from pathlib import Path

from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile.library import archive, library
from wheelhouse.sources import pins

FLATBUFFERS = "2.14.1"
"""The TFLite release whose FlatBuffers version the component ``tflite-c`` needs."""

_ARMNN = (
    "profiling/client/src",
    "profiling/common/src",
    "src/armnn",
    "src/armnnUtils",
    "src/backends/aclCommon",
    "src/backends/backendsCommon",
    "src/backends/neon",
    "src/backends/reference",
    "third-party/fmt/src",
)
_DELEGATE = ("delegate/classic/src", "delegate/common/src")
_TFLITE = ("tensorflow/lite",)
# Arm NN's own build leaves out the first two; the others are for its tools, for OpenCL, or for
# backends that are loaded at run time.
_LEFT_OUT = frozenset(
    {
        "src/armnn/layers/AbsLayer.cpp",
        "src/armnn/layers/RsqrtLayer.cpp",
        "src/armnnUtils/ModelAccuracyChecker.cpp",
        "src/backends/aclCommon/ArmComputeTuningUtils.cpp",
        "src/backends/backendsCommon/DynamicBackend.cpp",
        "src/backends/backendsCommon/DynamicBackendUtils.cpp",
    }
)
_FLAGS = (
    "-std=c++17",
    "-DARMCOMPUTENEON_ENABLED",
    "-DARMNNREF_ENABLED",
    "-DARMNN_COMPILING_DLL",
    "-DARMNN_DISABLE_DYNAMIC_BACKENDS",
    "-DARMNN_TFLITE_DELEGATE",
)
_INCLUDES = (
    "armnn/include",
    "armnn/include/armnn/backends",
    "armnn/profiling",
    "armnn/profiling/client/include",
    "armnn/profiling/common/include",
    "armnn/src/armnn",
    "armnn/src/armnnUtils",
    "armnn/src/backends",
    "armnn/third-party",
    "armnn/third-party/fmt",
)
_COMPUTE = ("arm-compute-headers", "arm-compute-headers/include")
_OWN = (
    "armnn-delegate/delegate/classic/include",
    "armnn-delegate/delegate/classic/src",
    "armnn-delegate/delegate/common/include",
    "armnn-delegate/delegate/common/src",
)


def backends(processor: str, floor: str) -> Step:
    """The step that compiles Arm NN and its backends for a processor and a glibc floor."""
    headers = (pins.shared("arm-compute-headers"),)
    return library(pins.shared("armnn"), headers, processor, floor, _compile_backends)


def delegate(processor: str, floor: str) -> Step:
    """The step that compiles the delegate, for a processor and a glibc floor."""
    names = ("armnn", "arm-compute-headers", "tflite-c")
    headers = (*map(pins.shared, names), pins.release_components(FLATBUFFERS)["flatbuffers"])
    return library(pins.shared("armnn-delegate"), headers, processor, floor, _compile_delegate)


def tflite(processor: str, floor: str) -> Step:
    """The step that compiles those of TFLite's functions that the delegate calls."""
    return library(pins.shared("tflite-c"), (), processor, floor, _compile_tflite)


def _compile_backends(inputs: Inputs, folder: Path) -> None:
    chosen = source_files(inputs.needs["armnn"], _ARMNN)
    archive(inputs, folder, chosen=chosen, flags=_FLAGS, includes=(*_INCLUDES, *_COMPUTE))


def _compile_delegate(inputs: Inputs, folder: Path) -> None:
    archive(
        inputs,
        folder,
        chosen=source_files(inputs.needs["armnn-delegate"], _DELEGATE),
        flags=(*_FLAGS, "-DFLATBUFFERS_LOCALE_INDEPENDENT=0"),  # or a library must be linked
        includes=(*_INCLUDES, *_COMPUTE, *_OWN, "tflite-c", "flatbuffers/include"),
    )


def _compile_tflite(inputs: Inputs, folder: Path) -> None:
    chosen = source_files(inputs.needs["tflite-c"], _TFLITE)
    archive(inputs, folder, chosen=chosen, flags=_FLAGS, includes=("tflite-c",))


def source_files(tree: Path, folders: tuple[str, ...]) -> dict[str, str]:
    """The C++ sources below these folders of a component, each with no flags of its own.

    Left out are tests and the files of ``_LEFT_OUT``.
    """
    found = [path for name in folders for path in (tree / name).rglob("*.c*")]
    names = [path.relative_to(tree).as_posix() for path in found if "test" not in path.parts]
    kept = [name for name in names if name.endswith((".cpp", ".cc")) and name not in _LEFT_OUT]
    return dict.fromkeys(kept, "")
