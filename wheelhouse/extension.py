"""The CPython module: upstream's wrapper and pybind11, linked against a core."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from ninja.ninja_syntax import Writer

from wheelhouse import compile, core, sources, toolchain
from wheelhouse.core import Core
from wheelhouse.sources import Component, Sources
from wheelhouse.store import digest

MODULE = "_pywrap_tensorflow_interpreter_wrapper"

_WRAPPER = "tensorflow/lite/python/interpreter_wrapper"
_SOURCES = (
    "interpreter_wrapper.cc",
    "interpreter_wrapper_pybind11.cc",
    "numpy.cc",
    "python_error_reporter.cc",
    "python_utils.cc",
)
_EXPORTS = f"{{ global: PyInit_{MODULE}; local: *; }};\n"
_FLAGS = (
    "-std=c++17",
    # The oldest NumPy that the module must serve is 1.19.5, Raspberry Pi OS 11's own.
    "-DNPY_TARGET_VERSION=NPY_1_19_API_VERSION",
)
_LINK_FLAGS = ("-shared", "-s", "-Wl,--gc-sections", "-Wl,--version-script=exports.map")


@dataclass(frozen=True)
class Extension:
    """A core's module for one CPython, for example 3.11."""

    core: Core
    python: str

    @property
    def identity(self) -> str:
        """A digest of all that decides its content."""
        inputs = {name: part.identity for name, part in self.inputs.items()}
        text = (MODULE, _WRAPPER, _SOURCES, _EXPORTS, _FLAGS, _LINK_FLAGS, self.core.defines())
        return digest(self.core.identity, self.python, inputs, text)

    @property
    def inputs(self) -> dict[str, Component]:
        """What it is compiled from beside its core."""
        names = {"pybind11": "pybind11", "numpy": "numpy-3.11", "python": f"python-{self.python}"}
        # CPython 3.9's Python.h includes crypt.h.
        crypt = {"libxcrypt": "libxcrypt"} if self.python == "3.9" else {}
        wrapper = sources.release(self.core.tflite)["wrapper"]
        shared = {key: sources.shared(name) for key, name in {**names, **crypt}.items()}
        return {"wrapper": wrapper, **shared}


def build(extension: Extension, at: Sources) -> Path:
    """The shared library, compiled and linked unless it exists.

    Raises WheelhouseError with the first compiler error.
    """

    def make(folder: Path) -> None:
        libraries = core.build(extension.core, at) / "lib"
        (folder / "exports.map").write_text(_EXPORTS)
        (folder / "build.ninja").write_text(_ninja(extension, at, libraries, folder))
        log = at.store.log(f"extension-{name}")
        env = toolchain.environment(at.store)
        compile.ninja(folder, f"Compiling the module for CPython {extension.python}", log, env)
        for path in folder.iterdir():
            if path.name != f"{MODULE}.so":
                path.unlink()

    name = f"{extension.core.label}-cp{extension.python.replace('.', '')}"
    folder = at.store.made("extensions", name, extension.identity, make)
    return folder / f"{MODULE}.so"


def _ninja(extension: Extension, at: Sources, libraries: Path, folder: Path) -> str:
    inner = extension.core
    tools = toolchain.prepare(inner.processor, inner.floor, at.store)
    trees = {name: at.tree(part) for name, part in inner.components.items()}
    trees |= {name: at.tree(part) for name, part in extension.inputs.items()}
    flags = (
        *toolchain.COMPILE_FLAGS,
        *_FLAGS,
        *inner.defines(),
        *core.prefix_maps(trees, folder),
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
    objects = [f"{Path(source).stem}.o" for source in _SOURCES]
    for source, made in zip(_SOURCES, objects, strict=True):
        rules.build([made], "cxx", [str(trees["wrapper"] / _WRAPPER / source)])
    archives = " ".join(str(path) for path in sorted(libraries.glob("*.a")))
    rules.build([f"{MODULE}.so"], "link", objects, variables={"libs": archives})
    return text.getvalue()


def _includes(extension: Extension, trees: dict[str, Path]) -> list[Path]:
    headers = trees["python"] / "usr" / "include"
    crypt = [trees["libxcrypt"] / "usr" / "include"] if "libxcrypt" in trees else []
    return [
        trees["wrapper"],
        trees["tensorflow"],
        trees["abseil"],
        trees["flatbuffers"] / "include",
        trees["eigen"],
        trees["pybind11"] / "pybind11" / "include",
        trees["numpy"] / "numpy" / "_core" / "include",
        headers / f"python{extension.python}",
        headers,
        *crypt,
    ]
