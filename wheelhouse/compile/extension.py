"""Compile the CPython extension module: upstream's wrapper and its binding, linked with a core."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ninja.ninja_syntax import Writer
from packaging.version import Version

from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import cxx, ninja, toolchain
from wheelhouse.compile.core import Core
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.sources import pins
from wheelhouse.sources.pins import Component
from wheelhouse.targets.matrix import Target

MODULE = "_pywrap_tensorflow_interpreter_wrapper"

_WRAPPER = "tensorflow/lite/python/interpreter_wrapper"
_PYBIND11 = "interpreter_wrapper_pybind11.cc"
_STABLE = ROOT / "native" / "binding.cc"
_NATIVE = "native"
_MONITOR = ROOT / "native" / "monitor.h"
_XNNPACK = ROOT / "native" / "xnnpack.cc"
_XNNPACK_HEADER = ROOT / "native" / "xnnpack.h"
_WEIGHTS = ROOT / "native" / "weight_cache.cc"
_WEIGHTS_HEADER = ROOT / "native" / "weight_cache.h"
_CHECK = ROOT / "native" / "model_check.cc"
_CHECK_HEADER = ROOT / "native" / "model_check.h"
_HEADERS = (_MONITOR, _XNNPACK_HEADER, _WEIGHTS_HEADER, _CHECK_HEADER)
_SOURCES = (
    "interpreter_wrapper.cc",
    "numpy.cc",
    "python_error_reporter.cc",
    "python_utils.cc",
)
_EXPORTS = f"{{ global: PyInit_{MODULE}; tflite_plugin_*_delegate; local: *; }};\n"
_FLAGS = (
    # The oldest NumPy that the module must work with is 1.16, which Raspberry Pi OS 10 has. The
    # version of its C API is that of 1.19, whose name says what is tried: the oldest on a system.
    "-DNPY_TARGET_VERSION=NPY_1_19_API_VERSION",
)
_NUMPY = "3.11"
"""The CPython whose NumPy has the headers to compile against; they are the same for all."""

_LINK_FLAGS = (*toolchain.LINK_FLAGS, "-Wl,--version-script=exports.map")


@dataclass(frozen=True)
class Extension:
    """The extension module of a core for a target."""

    core: Core
    target: Target

    @property
    def label(self) -> str:
        """Its name in messages and folders, as in ``tflite-2.14.1-aarch64-cp311``."""
        return f"{self.core.label}-{self.target.tag}"

    @property
    def components(self) -> dict[str, Component]:
        """The components that it is compiled from besides those of its core, by name."""
        headers = self.target.headers
        processor = self.target.architecture.like or self.target.processor
        names = {
            "numpy": f"numpy-{_NUMPY}-{processor}",
            "python": f"python-{headers}-{processor}",
        }
        if headers == "3.9":
            names["libxcrypt"] = f"libxcrypt-{processor}"  # Python.h of 3.9 includes crypt.h
        if not self.target.abi3:
            names["pybind11"] = "pybind11"
        wrapper = pins.release_components(self.core.tflite, self.core.checkout)["wrapper"]
        return {"wrapper": wrapper, **{key: pins.shared(name) for key, name in names.items()}}

    @property
    def linked(self) -> list[Component]:
        """The components whose code it contains."""
        binding = [self.components["pybind11"]] if "pybind11" in self.components else []
        return [*self.core.components.values(), *binding]

    @property
    def step(self) -> Step:
        """The step that compiles the shared library."""
        needs = {
            **self.core.trees,
            **{name: component.tree for name, component in self.components.items()},
            "core": self.core.step,
            "toolchain": self.core.toolchain,
        }
        parameters = {
            "label": self.label,
            "name": self.target.name,
            "headers": self.target.headers,
            "defines": self.defines(),
        }
        kept = cxx.libraries(self.core.processor, self.core.floor)
        return Step("extensions", self.label, _compile, needs, parameters, cache=kept)

    def defines(self) -> tuple[str, ...]:
        """The compiler flags that depend on the release, the target and the core."""
        release = f"-DTFLITE_MINOR={Version(self.core.tflite).minor}"
        major, minor = map(int, self.target.python.split("."))
        limited = (f"-DPy_LIMITED_API=0x{major:02x}{minor:02x}0000",) if self.target.abi3 else ()
        return (release, *limited, *self.core.defines())


def _compile(inputs: Inputs, folder: Path) -> None:
    (folder / "exports.map").write_text(_EXPORTS)
    (folder / "build.ninja").write_text(_ninja(inputs, folder))
    log = inputs.store.log(f"extension-{inputs.parameters['label']}")
    env = ninja.environment(inputs.store)
    label = f"Compiling the module for {inputs.parameters['name']}"
    ninja.build(folder, label, log, env, cached=inputs.store)
    for path in folder.iterdir():
        if path.name != f"{MODULE}.so":
            path.unlink()


def _ninja(inputs: Inputs, folder: Path) -> str:
    trees = {name: plain_path(path) for name, path in inputs.needs.items()}
    tools, core = Toolchain(trees.pop("toolchain")), trees.pop("core")
    # Paths of this machine would be in preprocessed sources, so that a compiler cache could not
    # be shared.
    for name, tree in {**trees, _NATIVE: plain_path(_STABLE).parent}.items():
        (folder / name).symlink_to(tree)
    flags = (
        *toolchain.COMPILE_FLAGS,
        _standard(trees["tensorflow"]),
        *_FLAGS,
        *inputs.parameters["defines"],
        *(f"-isystem {path}" for path in _includes(inputs.parameters["headers"], trees)),
    )
    text = io.StringIO()
    rules = Writer(text, width=10_000)  # type: ignore[arg-type]
    rules.rule(
        "cxx",
        f"{ninja.LAUNCHER} {tools.cxx} {' '.join(flags)} $defines -MD -MF $out.d -c $in -o $out",
        depfile="$out.d",
    )
    rules.rule("link", f"{tools.cxx} {' '.join(_LINK_FLAGS)} $in $libs -o $out")
    binding = f"wrapper/{_WRAPPER}/{_PYBIND11}"
    if "pybind11" not in trees:
        binding = f"{_NATIVE}/{_STABLE.name}"
    paths = [f"wrapper/{_WRAPPER}/{name}" for name in _SOURCES]
    own = (_XNNPACK, _WEIGHTS, _CHECK, *toolchain.SOURCES)
    paths += [binding, *(f"{_NATIVE}/{path.name}" for path in own)]
    objects = [f"{Path(path).stem}.o" for path in paths]
    core_name = f"'-DTFLITE_CORE=\"{inputs.needs['core'].name}\"'"
    for path, output in zip(paths, objects, strict=True):
        # Packed weights are of the core that packed them; a model is checked once.
        defines = {_WEIGHTS.name: core_name, _CHECK.name: "-Os"}.get(Path(path).name, "")
        rules.build([output], "cxx", [path], variables={"defines": defines})
    archives = " ".join(str(path) for path in sorted((core / "lib").glob("*.a")))
    rules.build([f"{MODULE}.so"], "link", objects, variables={"libs": archives})
    return text.getvalue()


def _standard(tensorflow: Path) -> str:
    """The compiler flag for the C++ standard in the release's own build files."""
    text = (tensorflow / "tensorflow/lite/CMakeLists.txt").read_text()
    found = re.search(r"^set\(CMAKE_CXX_STANDARD (\d+)\)", text, re.MULTILINE)
    return f"-std=c++{found[1]}" if found else "-std=c++17"


def _includes(python: str, names: Collection[str]) -> list[str]:
    optional = {"libxcrypt": "libxcrypt/usr/include", "pybind11": "pybind11/pybind11/include"}
    return [
        *{str(Path(_NATIVE, header.name).parent) for header in _HEADERS},
        "wrapper",
        "tensorflow",
        "abseil",
        "flatbuffers/include",
        "cpuinfo/include",
        "eigen",
        "farmhash/src",
        "pthreadpool/include",
        "xnnpack",
        "numpy/numpy/_core/include",
        f"python/usr/include/python{python}",
        "python/usr/include",
        *(path for name, path in optional.items() if name in names),
    ]
