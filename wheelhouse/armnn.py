"""Arm NN with its backends CpuAcc and CpuRef, and its classic delegate for TFLite.

They are compiled apart: a change to the delegate's few files leaves the rest as it is.
"""

from __future__ import annotations

from pathlib import Path

from wheelhouse import sources
from wheelhouse.library import Library
from wheelhouse.sources import Component

FLATBUFFERS = "2.14.1"
"""The TFLite release whose FlatBuffers belongs to the component ``tflite-c``."""

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
# Arm NN's own build leaves the first two out; the others are for its tools, for OpenCL, or for
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


def library(processor: str, floor: str) -> Library:
    """Arm NN for a processor and a glibc floor; its backends register themselves."""
    return _library(
        sources.shared("armnn"),
        _ARMNN,
        processor,
        floor,
        includes=(*_INCLUDES, *_COMPUTE),
        headers=(sources.shared("arm-compute-headers"),),
    )


def delegate(processor: str, floor: str) -> Library:
    """The delegate, whose two entries TFLite calls."""
    ours = tuple(
        f"armnn-delegate/delegate/{part}/{kind}"
        for part in ("classic", "common")
        for kind in ("include", "src")
    )
    return _library(
        sources.shared("armnn-delegate"),
        _DELEGATE,
        processor,
        floor,
        includes=(*_INCLUDES, *_COMPUTE, *ours, "tflite-c", "flatbuffers/include"),
        flags=("-DFLATBUFFERS_LOCALE_INDEPENDENT=0",),  # or a library would have to be linked
        headers=(
            sources.shared("armnn"),
            sources.shared("arm-compute-headers"),
            sources.shared("tflite-c"),
            sources.release(FLATBUFFERS)["flatbuffers"],
        ),
    )


def tflite(processor: str, floor: str) -> Library:
    """The little of TFLite's own code that the delegate calls."""
    return _library(
        sources.shared("tflite-c"), _TFLITE, processor, floor, includes=("tflite-c",), headers=()
    )


def _library(
    component: Component,
    folders: tuple[str, ...],
    processor: str,
    floor: str,
    includes: tuple[str, ...],
    headers: tuple[Component, ...],
    flags: tuple[str, ...] = (),
) -> Library:
    return Library(
        component=component,
        processor=processor,
        floor=floor,
        choose=lambda tree: dict.fromkeys(files(tree, folders), ""),
        flags=(*_FLAGS, *flags),
        includes=includes,
        headers=headers,
        texts={},
        recipe=Path(__file__),
    )


def files(tree: Path, folders: tuple[str, ...]) -> list[str]:
    """The sources below these folders of a component, but for tests and what is not wanted."""
    found = [path for name in folders for path in (tree / name).rglob("*.c*")]
    names = [path.relative_to(tree).as_posix() for path in found if "test" not in path.parts]
    return [name for name in names if name.endswith((".cpp", ".cc")) and name not in _LEFT_OUT]
