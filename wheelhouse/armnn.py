"""Arm NN with its backends CpuAcc and CpuRef and its classic delegate for TFLite."""

from __future__ import annotations

from pathlib import Path

from wheelhouse import sources
from wheelhouse.library import Library

TFLITE = "2.14.1"
"""The release whose headers Arm NN is compiled with; a delegate serves later ones as well."""

_FOLDERS = (
    "delegate/classic/src",
    "delegate/common/src",
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
# Its own build leaves these out as well, or compiles them for its test programs alone.
_LEFT_OUT = frozenset(
    {
        "src/armnn/layers/AbsLayer.cpp",
        "src/armnn/layers/RsqrtLayer.cpp",
        "src/armnnUtils/ModelAccuracyChecker.cpp",
        "src/backends/backendsCommon/DynamicBackend.cpp",
        "src/backends/backendsCommon/DynamicBackendUtils.cpp",
    }
)
_TFLITE = (
    "tensorflow/lite/core/c/common.cc",
    "tensorflow/lite/minimal_logging.cc",
    "tensorflow/lite/minimal_logging_default.cc",
)
_FLAGS = (
    "-std=c++17",
    "-march=armv8-a",
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
    "armnn/src/profiling",
    "armnn/third-party",
    "armnn/third-party/fmt",
    "armnn/delegate/classic/include",
    "armnn/delegate/classic/src",
    "armnn/delegate/common/include",
    "armnn/delegate/common/src",
    "arm-compute-headers",
    "arm-compute-headers/include",
    "tflite-c",
    "flatbuffers/include",
)


def library(processor: str, floor: str) -> Library:
    """The static library for a processor and a glibc floor; its backends register themselves."""
    return Library(
        component=sources.shared("armnn"),
        processor=processor,
        floor=floor,
        choose=files,
        flags=_FLAGS,
        includes=_INCLUDES,
        headers=(
            sources.shared("arm-compute-headers"),
            sources.shared("tflite-c"),
            sources.release(TFLITE)["flatbuffers"],
        ),
        texts={},
        recipe=Path(__file__),
    )


def tflite(processor: str, floor: str) -> Library:
    """The little of TFLite's own code that a delegate calls."""
    component = sources.shared("tflite-c")
    return Library(
        component=component,
        processor=processor,
        floor=floor,
        choose=lambda tree: dict.fromkeys(_TFLITE, ""),
        flags=("-std=c++17",),
        includes=(component.name,),
        headers=(),
        texts={},
        recipe=Path(__file__),
    )


def files(tree: Path) -> dict[str, str]:
    """The sources to compile; none has flags of its own."""
    found = [path for name in _FOLDERS for path in (tree / name).rglob("*.c*")]
    names = [path.relative_to(tree).as_posix() for path in found if "test" not in path.parts]
    return {name: "" for name in names if name.endswith((".cpp", ".cc")) and name not in _LEFT_OUT}
