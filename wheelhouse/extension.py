"""The CPython module: upstream's wrapper and a binding of it, linked against a core."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

from ninja.ninja_syntax import Writer
from packaging.version import Version

from wheelhouse import compile, core, sources, toolchain
from wheelhouse.core import Core
from wheelhouse.matrix import Target
from wheelhouse.plain import plain
from wheelhouse.sources import Component, Sources
from wheelhouse.store import digest, file_digest

MODULE = "_pywrap_tensorflow_interpreter_wrapper"

_WRAPPER = "tensorflow/lite/python/interpreter_wrapper"
_PYBIND11 = "interpreter_wrapper_pybind11.cc"
_NATIVE = Path(__file__).parent.parent / "native"
_STABLE = _NATIVE / "binding.cc"
_MONITOR = _NATIVE / "monitor.h"
_SOURCES = (
    "interpreter_wrapper.cc",
    "numpy.cc",
    "python_error_reporter.cc",
    "python_utils.cc",
)
_EXPORTS = f"{{ global: PyInit_{MODULE}; local: *; }};\n"
_FLAGS = (
    # The oldest NumPy that the module must serve is 1.19.5, Raspberry Pi OS 11's own.
    "-DNPY_TARGET_VERSION=NPY_1_19_API_VERSION",
)
_LINK_FLAGS = (*toolchain.LINK_FLAGS, "-Wl,--version-script=exports.map")


@dataclass(frozen=True)
class Extension:
    """A core's module for one CPython, or for one and all later through the stable ABI."""

    core: Core
    target: Target

    @property
    def identity(self) -> str:
        """A digest of all that decides its content."""
        inputs = {name: part.identity for name, part in self.inputs.items()}
        linked = (toolchain.link_identity(), _LINK_FLAGS)
        text = (MODULE, _WRAPPER, _SOURCES, _EXPORTS, linked, self.defines())
        binding = file_digest(_STABLE) if self.target.abi3 else _PYBIND11
        ours = (binding, file_digest(_MONITOR))
        return digest(self.core.identity, self.target.headers, inputs, text, ours)

    @property
    def label(self) -> str:
        """Its name for readers and folders."""
        return f"{self.core.label}-{self.target.tag}"

    @property
    def inputs(self) -> dict[str, Component]:
        """What it is compiled from beside its core."""
        headers = self.target.headers
        names = {"numpy": "numpy-3.11", "python": f"python-{headers}"}
        if headers == "3.9":
            names["libxcrypt"] = "libxcrypt"  # its Python.h includes crypt.h
        if not self.target.abi3:
            names["pybind11"] = "pybind11"
        wrapper = sources.release(self.core.tflite, self.core.checkout)["wrapper"]
        return {"wrapper": wrapper, **{key: sources.shared(name) for key, name in names.items()}}

    @property
    def linked(self) -> list[Component]:
        """The components whose code is in it."""
        binding = [self.inputs["pybind11"]] if "pybind11" in self.inputs else []
        return [*self.core.components.values(), *binding]

    def defines(self) -> tuple[str, ...]:
        """What its sources are compiled with beside the toolchain's own flags."""
        release = f"-DTFLITE_MINOR={Version(self.core.tflite).minor}"
        major, minor = map(int, self.target.python.split("."))
        limited = (f"-DPy_LIMITED_API=0x{major:02x}{minor:02x}0000",) if self.target.abi3 else ()
        return (*_FLAGS, release, *limited, *self.core.defines())


def build(extension: Extension, at: Sources) -> Path:
    """The shared library, compiled and linked unless it exists.

    Raises WheelhouseError with the first compiler error.
    """

    def make(folder: Path) -> None:
        libraries = core.build(extension.core, at) / "lib"
        (folder / "exports.map").write_text(_EXPORTS)
        (folder / "build.ninja").write_text(_ninja(extension, at, libraries, folder))
        log = at.store.log(f"extension-{extension.label}")
        env = toolchain.environment(at.store)
        compile.ninja(folder, f"Compiling the module for {extension.target.name}", log, env)
        for path in folder.iterdir():
            if path.name != f"{MODULE}.so":
                path.unlink()

    folder = at.store.made("extensions", extension.label, extension.identity, make)
    return folder / f"{MODULE}.so"


def _ninja(extension: Extension, at: Sources, libraries: Path, folder: Path) -> str:
    inner = extension.core
    tools = toolchain.prepare(inner.processor, inner.floor, at.store)
    parts = inner.components | extension.inputs
    trees = {name: plain(at.tree(part)) for name, part in parts.items()}
    flags = (
        *toolchain.COMPILE_FLAGS,
        _standard(trees["tensorflow"]),
        *extension.defines(),
        *core.prefix_maps(trees, plain(folder)),
        *(f"-isystem {path}" for path in _includes(extension, trees)),
    )
    launcher = toolchain.launcher()
    text = io.StringIO()
    rules = Writer(text, width=10_000)  # type: ignore[arg-type]
    rules.rule(
        "cxx",
        f"{launcher or ''} {tools.cxx} {' '.join(flags)} -MD -MF $out.d -c $in -o $out",
        depfile="$out.d",
    )
    rules.rule("link", f"{tools.cxx} {' '.join(_LINK_FLAGS)} $in $libs -o $out")
    wrapper = trees["wrapper"] / _WRAPPER
    binding = plain(_STABLE) if extension.target.abi3 else wrapper / _PYBIND11
    paths = [*(wrapper / name for name in _SOURCES), binding, plain(toolchain.PERSONALITY)]
    objects = [f"{path.stem}.o" for path in paths]
    for path, made in zip(paths, objects, strict=True):
        rules.build([made], "cxx", [str(path)])
    archives = " ".join(str(path) for path in sorted(plain(libraries).glob("*.a")))
    rules.build([f"{MODULE}.so"], "link", objects, variables={"libs": archives})
    return text.getvalue()


def _standard(tensorflow: Path) -> str:
    """The flag for the C++ standard that the release itself is compiled as."""
    text = (tensorflow / "tensorflow/lite/CMakeLists.txt").read_text()
    found = re.search(r"^set\(CMAKE_CXX_STANDARD (\d+)\)", text, re.MULTILINE)
    return f"-std=c++{found[1]}" if found else "-std=c++17"


def _includes(extension: Extension, trees: dict[str, Path]) -> list[Path]:
    headers = trees["python"] / "usr" / "include"
    optional = {"libxcrypt": "usr/include", "pybind11": "pybind11/include"}
    return [
        _NATIVE,
        trees["wrapper"],
        trees["tensorflow"],
        trees["abseil"],
        trees["flatbuffers"] / "include",
        trees["eigen"],
        trees["numpy"] / "numpy" / "_core" / "include",
        headers / f"python{extension.target.headers}",
        headers,
        *(trees[name] / path for name, path in optional.items() if name in trees),
    ]
