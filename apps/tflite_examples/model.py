"""Load a model and run it, with the runtime that is installed."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tflite_examples import pictures
from tflite_examples.errors import ExampleError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

RUNTIMES = (
    "tflite_runtime.interpreter",
    "ai_edge_litert.interpreter",
    "tensorflow.lite.python.interpreter",
)
MODELS = ("tflite_examples_models", "tflite_examples_models_body")


@dataclass(frozen=True)
class Options:
    """What the command line says of models.

    ``model`` replaces the pipeline's own: a name in tflite_examples_models, or a path. Of a model
    at a path ``range`` are the values of black and white, ``labels`` a file with a label a line.
    """

    threads: int = 4
    precision: str = ""
    delegate: str = ""
    model: str = ""
    range: tuple[float, float] | None = None
    labels: str = ""


class Model:
    """A model that is ready to run.

    ``size`` is the height, width and channels of the picture that it takes.
    """

    def __init__(self, name: str, options: Options, *, replaceable: bool = True) -> None:
        """Load a model by its name in tflite_examples_models; raises ExampleError.

        ``options.model`` takes its place if it is ``replaceable``; a pipeline's first stage is not.
        """
        name = (options.model if replaceable else "") or name
        self.labels: list[str] = []
        self.range: tuple[float, float] = (0.0, 1.0)
        if options.range:
            self.range = options.range[0], options.range[1]
        if name.endswith(".tflite") or os.sep in name:
            self.path = name
        else:
            known, self.path = _packaged(name, options.precision, strict=replaceable)
            self.labels, self.range = known.get("labels", []), tuple(known["input"]["range"])
        if options.labels and replaceable:
            self.labels = _lines(options.labels)
        self._options = options
        self._open(options)
        self.size: tuple[int, ...] = tuple(map(int, self._input["shape"][1:]))
        self.shapes = [tuple(map(int, each["shape"])) for each in self._outputs]

    def _open(self, options: Options) -> None:
        self._interpreter = _interpreter(self.path, options)
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()

    def prepare(self, picture: Image.Image) -> NDArray[Any]:
        """A picture as the input: scaled, grey if there is one channel, from black to white."""
        if len(self.size) != 3 or self.size[2] not in (1, 3):
            raise ExampleError(f"{self.path} takes no picture, but an array {self.size}.")
        is_bytes = self._input["dtype"] == np.uint8
        return pictures.pixels(picture, self.size, (0.0, 255.0) if is_bytes else self.range)

    def __call__(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the model: its outputs, as floating point numbers whatever the model's numbers are.

        The input is in the numbers of the model's range; for a model that takes bytes, in bytes.
        """
        kind = self._input["dtype"]
        scale, zero = self._input["quantization"]
        if kind == np.int8 and scale:
            values = np.clip(np.round(values / scale + zero), -128, 127)
        self._invoke(values.astype(kind))
        return [self._output(each) for each in self._outputs]

    def _invoke(self, values: NDArray[Any]) -> None:
        """Run the model; without a delegate from now on if that cannot."""
        try:
            self._interpreter.set_tensor(self._input["index"], values)
            self._interpreter.invoke()
        except RuntimeError as error:
            why = first_line(error)
            if self._options.delegate == "none":
                raise ExampleError(f"Cannot run {self.path}: {why}.") from error
            print(f"note: {self.path} runs without a delegate: {why}", file=sys.stderr)
            self._options = replace(self._options, delegate="none")
            self._open(self._options)
            self._invoke(values)

    def reset(self) -> None:
        """Forget what a model that listens has heard: its variables live as long as its loading."""
        self._open(self._options)

    def _output(self, details: dict[str, Any]) -> NDArray[Any]:
        values = self._interpreter.get_tensor(details["index"])
        scale, zero = details["quantization"]
        if scale and values.dtype != np.float32:
            values = (values.astype(np.float32) - zero) * scale
        found: NDArray[Any] = values
        return found


def _packaged(name: str, precision: str, *, strict: bool) -> tuple[dict[str, Any], str]:
    """What is known of a model of the packages, and its path."""
    names: list[str] = []
    for package in MODELS:
        try:
            module = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        names += module.names()
        if name in module.names():
            known = module.about(name)
            if precision not in known["files"] and strict and precision:
                there = " and ".join(known["files"])
                raise ExampleError(f"The model {name} is there in {there}, not in {precision}.")
            wanted = precision if precision in known["files"] else ""
            return known, module.path(name, wanted)
    if names:
        raise ExampleError(f"There is no model {name!r}; there are {', '.join(names)}.")
    raise ExampleError("There are no models: `pip install tflite-examples-models` brings them.")


def _interpreter(path: str, options: Options) -> Any:
    """An interpreter whose tensors are allocated."""
    module = _runtime()
    wanted: dict[str, Any] = {"model_path": path, "num_threads": options.threads}
    try:
        if options.delegate == "armnn":
            armnn = importlib.import_module("tflite_armnn_delegate")
            wanted["experimental_delegates"] = [armnn.load(num_threads=options.threads)]
        elif options.delegate == "none":
            kind = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            wanted["experimental_op_resolver_type"] = kind
        interpreter = module.Interpreter(**wanted)
        interpreter.allocate_tensors()
    except ModuleNotFoundError as error:
        raise ExampleError(
            "Arm NN's delegate is missing: `pip install tflite-armnn-delegate`."
        ) from error
    except (ValueError, RuntimeError, OSError) as error:
        raise ExampleError(f"Cannot load {path}: {first_line(error)}.") from error
    return interpreter


def _runtime() -> Any:
    """The module with the interpreter, of the first runtime that is installed."""
    for name in RUNTIMES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ExampleError("No runtime is installed: `pip install tflite-runtime`.")


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as stream:
            return [line.strip() for line in stream if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ExampleError(f"Cannot read labels from {path}: {first_line(error)}.") from error
