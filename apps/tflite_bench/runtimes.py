"""Which runtimes there are, and how to open a model with one of them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from tflite_bench.errors import BenchError

INTERPRETERS = {
    "tflite_runtime": "tflite_runtime.interpreter",
    "ai_edge_litert": "ai_edge_litert.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}
"""The module with the interpreter, by the package to import."""

DELEGATES = ("xnnpack", "none", "armnn")


@dataclass(frozen=True)
class Runtime:
    """A package that runs models.

    ``name`` is of its distribution and unique in a benchmark; ``path`` is where to import it from
    before all else, or empty if it is installed.
    """

    name: str
    module: str
    version: str
    path: str = ""


def find(wanted: Sequence[str], scratch: Path) -> list[Runtime]:
    """The runtimes of these names, folders and wheels; without any, all that are installed.

    Wheels are unpacked below ``scratch``. Raises BenchError if there is none.
    """
    if wanted:
        found = [each for word in wanted for each in _wanted(word, scratch)]
    else:
        found = _below("", INTERPRETERS)
    if not found:
        raise BenchError("No runtime is installed.", "Install one: `pip install tflite-runtime`.")
    return _distinct(found, wanted)


def interpreter(
    runtime: Runtime, model: str, delegate: str, threads: int, *, profiled: bool = False
) -> Any:
    """An interpreter, its tensors allocated not yet.

    ``delegate`` is one of ``DELEGATES`` or the path of a library. ``profiled`` lets Arm NN print
    the time of each layer. Raises whatever the runtime raises.
    """
    module = load(runtime)
    options: dict[str, Any] = {"model_path": model, "num_threads": threads}
    if delegate == "none":
        kind = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        options["experimental_op_resolver_type"] = kind
    elif delegate == "armnn":
        armnn = importlib.import_module("tflite_armnn_delegate")
        loaded = armnn.load(num_threads=threads, profiling=profiled)
        options["experimental_delegates"] = [loaded]
    elif delegate != "xnnpack":
        options["experimental_delegates"] = [module.load_delegate(delegate)]
    return module.Interpreter(**options)


def load(runtime: Runtime) -> Any:
    """Import a runtime's module with the interpreter."""
    if runtime.path and runtime.path not in sys.path:
        sys.path.insert(0, runtime.path)
        importlib.invalidate_caches()
    return importlib.import_module(INTERPRETERS[runtime.module])


def delegated(interpreter: Any) -> int | None:
    """How many nodes of the graph are delegates; None if the runtime does not tell."""
    try:
        nodes = interpreter._get_ops_details()
    except (AttributeError, ValueError):  # old runtimes have none, or stumble over a delegate
        return None
    return len([node for node in nodes if node["op_name"].upper().endswith("DELEGATE")])


def libraries(runtime: Runtime, delegate: str) -> list[str]:
    """Paths of the libraries of a runtime and a delegate that this process has loaded."""
    modules = [sys.modules.get(name) for name in (runtime.module, "tflite_armnn_delegate")]
    folders = [os.path.dirname(each.__file__ or "") for each in modules if each]
    places = tuple(os.path.realpath(folder) + os.sep for folder in folders)
    with open("/proc/self/maps", errors="replace") as maps:
        mapped = {line.split(None, 5)[-1].strip() for line in maps if "/" in line}
    inside = [path for path in mapped if path.startswith(places) and ".so" in path]
    return sorted({*inside, *(mapped & {os.path.realpath(delegate)})})


@lru_cache(None)
def digest(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def _wanted(word: str, scratch: Path) -> list[Runtime]:
    """The runtimes that a name, a folder or a wheel stands for."""
    name, path = word.replace("-", "_"), Path(word)
    if name in INTERPRETERS:
        found = _below("", [name])
    elif path.is_dir():
        found = _below(os.path.abspath(word), INTERPRETERS)
    elif path.suffix == ".whl" and path.is_file():
        with zipfile.ZipFile(word) as wheel:
            wheel.extractall(scratch / path.stem)
        found = _below(str(scratch / path.stem), INTERPRETERS)
    else:
        names = ", ".join(INTERPRETERS)
        raise BenchError(
            f"There is no runtime {word!r}.", f"Name {names}, a folder with one, or a wheel."
        )
    if not found:
        name = word if name not in INTERPRETERS else name.replace("_", "-")
        raise BenchError(f"{word} has no runtime.", f"Install it: `pip install {name}`.")
    return found


def _below(path: str, modules: Iterable[str]) -> list[Runtime]:
    """The runtimes in a folder, or those installed if the folder is not named."""
    found = []
    for module in modules:
        spec = PathFinder.find_spec(module, [path]) if path else importlib.util.find_spec(module)
        if spec and spec.origin:  # a folder without a module has none
            name, version = _distribution(module, Path(spec.origin).parents[1])
            found.append(Runtime(f"{name} {version}", module, version, path))
    return found


def _distribution(module: str, folder: Path) -> tuple[str, str]:
    """Name and version of the distribution that installed a module into a folder."""
    for info in sorted(folder.glob("*.dist-info")):
        record = info / "RECORD"
        if record.is_file() and f"\n{module}/__init__.py," in "\n" + record.read_text():
            name, _, version = info.name[: -len(".dist-info")].partition("-")
            return name.replace("_", "-"), version
    return module.replace("_", "-"), "unknown"


def _distinct(found: list[Runtime], wanted: Sequence[str]) -> list[Runtime]:
    """Give runtimes of equal names different ones: (2), (3)."""
    names: list[str] = []
    result = []
    for runtime in found:
        again = names.count(runtime.name)
        names.append(runtime.name)
        name = f"{runtime.name} ({again + 1})" if again else runtime.name
        result.append(replace(runtime, name=name))
    return result
