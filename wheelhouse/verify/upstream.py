"""Run TensorFlow's own tests of its Python interface, and its test models, with a wheel.

1. ``interpreter_test.py`` is taken as it is from the release's sources. The models that its build
   would make of graphs are written here, its two libraries compiled of TensorFlow's files.
2. ``probe_upstream.py`` runs both on each system of the wheel, beside both NumPys, and each model
   in a process of its own.
3. :func:`judge` compares that with what the file of tests has, with what the reference does with
   the same models, and with what upstream.toml says differs.
"""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wheelhouse.common import process, toml
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Pinned, Step
from wheelhouse.compile import cxx, ninja, toolchain
from wheelhouse.compile.core import Core
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.package import products
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.record import Check, Trial
from wheelhouse.sources import pins
from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation
from wheelhouse.targets import systems
from wheelhouse.targets.systems import Board, System
from wheelhouse.verify import runtime_trials, session
from wheelhouse.verify.session import ProbeResult, TrialSetup

TABLE = ROOT / "wheelhouse" / "verify" / "upstream.toml"
PROBE = ROOT / "wheelhouse" / "guest" / "probe_upstream.py"

PASSED = "passed"
TEST = "interpreter_test.py"
DATA = "2.14.1"
"""The release whose test models, and sources of libraries, all releases are tried with.

The sources of later ones that are pinned here have none.
"""

ENGINE = "host"
_PYTHON = Path("tensorflow/lite/python")
_MODELS = ("testdata", "python/testdata", "python/optimize/test_data")
"""The folders of test models, in TensorFlow's folder of TFLite."""
_LIBRARIES: Mapping[str, str] = {
    "test_registerer": "{ global: TF_TestRegisterer; *get_num_test_registerer_calls*; local: *; };",
    "test_delegate": "{ global: tflite_plugin_*; initialize_*; get_*; set_*; local: *; };",
}
"""For each library, which is compiled of the file of its name, what it exports."""


class Expected(toml.Table, frozen=True):
    """What does not end as TensorFlow, or the reference, has it.

    ``name``: a test, or the file of a model.
    ``releases``: the TFLite releases in which it does not.
    ``seen``: how it ends: skipped or failed for a test; for a model see :func:`difference`.
    ``reason``: why.
    """

    name: str
    releases: tuple[str, ...]
    seen: str
    reason: str


class Table(toml.Table, frozen=True):
    """The content of upstream.toml."""

    tests: tuple[Expected, ...]
    models: tuple[Expected, ...]

    def of(self, kind: Literal["tests", "models"], release: str) -> dict[str, str]:
        """What is expected in a release, by name."""
        rows: Sequence[Expected] = getattr(self, kind)
        return {row.name: row.seen for row in rows if release in row.releases}


def table(path: Path = TABLE) -> Table:
    """Read upstream.toml; raises WheelhouseError naming the file and the key that is wrong."""
    return toml.load(path, Table)


def trials(product: RuntimeWheel, wheel: Path) -> list[Step]:
    """The trials of a product's wheel on each of its systems, as the first of its boards."""
    return [each for system in products.systems_for(product) for each in on(product, wheel, system)]


def on(product: RuntimeWheel, wheel: Path, system: System) -> Iterator[Step]:
    """The trials on one system, beside each NumPy that the board has."""
    core, board = product.extension.core, product.boards[0]
    for numpy in systems.board(board).numpys:
        label, parts = f"{wheel.stem}-{numpy}", dict[str, Pinned | Path](wheel=wheel)
        if numpy == "newest":
            parts["numpy"] = pins.shared(f"numpy-{system.python}-{system.processor}")
        env = session.installation(parts, system, ENGINE, label)
        needs = {
            "env": env,
            "test": test(product.tflite).tree,
            "data": pins.release_components(DATA)["tensorflow"].tree,
            "libraries": libraries(core),
            "reference": computed_reference(),
        }
        told = {"release": product.tflite, "numpy": numpy}
        yield session.trial(_try, system, board, ENGINE, f"upstream-{label}", needs, told)


def test(release: str) -> pins.Component:
    """The component that has a release's test."""
    wrapper = pins.release_components(release)["wrapper"]
    return wrapper if release == DATA else pins.shared("interpreter-test")


def libraries(core: Core) -> Step:
    """The step that compiles the libraries that the tests load, for the processor of a core."""
    needs = {
        **core.trees,
        "core": core.step,
        "data": pins.release_components(DATA)["wrapper"].tree,
        "toolchain": toolchain.toolchain(core.processor, core.floor),
    }
    return Step(
        kind="libraries",
        label=f"upstream-{core.label}",
        recipe=_compile,
        needs=needs,
        parameters={"flags": core.defines()},
        cache=cxx.libraries(core.processor, core.floor),
    )


def _compile(inputs: Inputs, folder: Path) -> None:
    needs = inputs.needs
    includes = ("data", "tensorflow", "abseil", "flatbuffers/include", "eigen")
    folders = [needs[each.partition("/")[0]] / each.partition("/")[2] for each in includes]
    for name, exports in _LIBRARIES.items():
        script = folder / f"{name}.map"
        script.write_text(exports)
        words = [
            *(Toolchain(needs["toolchain"]).cxx, "-std=c++17", *toolchain.COMPILE_FLAGS),
            *("-fvisibility=default", *inputs.parameters["flags"], "-shared", "-s"),
            *(f"-isystem{path}" for path in folders),
            *(needs["data"] / _PYTHON / "testdata" / f"{name}.cc",),
            *(f"-Wl,--version-script={script}", "-Wl,--gc-sections"),
            *sorted((needs["core"] / "lib").glob("*.a")),
            *("-o", folder / f"{name}.so"),
        ]
        done = process.run(words, env=ninja.environment(inputs.store))
        script.unlink()
        if done.status:
            log = inputs.store.log(f"upstream-{name}")
            raise process.failure(f"Compiling {name}.cc failed", done, log, "Look at the log.")


def computed_reference() -> Step:
    """The step that lets the reference run all models."""
    data = pins.release_components(DATA)["tensorflow"].tree
    told = {"reference": f"ai-edge-litert {version('ai-edge-litert')}"}
    return Step("references", f"upstream-{DATA}", _refer, {"data": data}, told)


def _refer(inputs: Inputs, folder: Path) -> None:
    files = models_of(inputs.needs["data"])
    for path in (*files.values(), runtime_trials.PROBE, PROBE):
        shutil.copyfile(path, folder / path.name)
    (folder / session.OUTPUTS).mkdir()
    (folder / "plan.json").write_text(json.dumps(_plan("ai_edge_litert.interpreter", files)))
    words = [sys.executable, "-s", PROBE.name, "plan.json", f"{session.OUTPUTS}/report.json"]
    done = process.run(words, cwd=folder, timeout=600)
    if done.status:
        raise process.failure(
            "The reference did not run TensorFlow's models",
            done,
            inputs.store.log("upstream-reference"),
            "Look at the log.",
        )


def models_of(tree: Path) -> dict[str, Path]:
    """TensorFlow's test models in its sources, by their files' names."""
    lite = tree / "tensorflow/lite"
    folders = (lite / name for name in _MODELS)
    return {path.name: path for each in folders for path in sorted(each.glob("*.bin"))}


def _plan(module: str, models: Mapping[str, Path], test: str | None = None) -> dict[str, Any]:
    """The plan of ``probe_upstream.py``."""
    entries = [{"name": name, "outputs": f"{session.OUTPUTS}/{name}.npz"} for name in models]
    return {"module": module, "test": test, "models": entries}


def _try(inputs: Inputs, folder: Path) -> None:
    session.make_trial(inputs, folder, partial(trial_setup, inputs.parameters, inputs.needs))


def trial_setup(
    told: Mapping[str, Any], needs: Mapping[str, Path], system: System, board: Board
) -> TrialSetup:
    """How a release's wheel is tried; ``told`` and ``needs`` are those of the trial's step."""
    test = needs["test"] / _PYTHON / TEST
    models = models_of(needs["data"])
    given = [test, *models.values(), *needs["libraries"].glob("*.so")]
    return TrialSetup(
        system=system,
        board=board,
        numpy=told["numpy"],
        probes=(runtime_trials.PROBE, PROBE),
        models=(),
        plan=_plan("tflite_runtime.interpreter", models, TEST),
        judge=partial(judge, table(), told["release"], test, needs["reference"]),
        files={**generated(), **{path.name: path.read_bytes() for path in given}},
    )


def judge(
    expected: Table, release: str, test: Path, reference: Path, result: ProbeResult
) -> Iterator[Check]:
    """The checks of a probe's result: one for each test of the file, and for each model."""
    yield result.imported
    if not result.imported.passed:
        return
    ends = result.report["tests"]
    others = expected.of("tests", release)
    for name in tests_in(test.read_text(encoding="utf-8")):
        seen = ends.get(name, {"end": "not run", "seen": ""})
        right = seen["end"] == others.pop(name, PASSED)
        yield Check(name, right, f"{seen['end']} {seen['seen']}".strip())
    others |= expected.of("models", release)
    theirs = json.loads((reference / session.OUTPUTS / "report.json").read_text())["models"]
    for name, ours in result.report["models"].items():
        outputs = [each / f"{name}.npz" for each in (reference / session.OUTPUTS, result.outputs)]
        seen_here = difference(theirs[name], ours, outputs)
        yield Check(name, seen_here == others.pop(name, ""), seen_here or ended(ours))
    yield Check("upstream.toml names what there is", not others, ", ".join(others))


def summary(trial: Trial) -> tuple[str, str]:
    """How many tests passed, and how many models ended as expected, as in ``30 of 31``."""
    tests = [check for check in trial.checks if ".test" in check.name]
    models = [check for check in trial.checks if check.name.endswith(".bin")]
    passed = sum(check.seen.startswith(PASSED) for check in tests)
    right = sum(check.passed for check in models)
    return f"{passed} of {len(tests)}", f"{right} of {len(models)}"


def tests_in(text: str) -> list[str]:
    """The names of all tests in a file, as in ``InterpreterTest.testString``."""
    return [
        f"{each.name}.{method.name}"
        for each in ast.parse(text).body
        if isinstance(each, ast.ClassDef)
        for method in each.body
        if isinstance(method, ast.FunctionDef) and method.name.startswith("test")
    ]


def difference(theirs: Mapping[str, Any], ours: Mapping[str, Any], outputs: Sequence[Path]) -> str:
    """How a model's run differs from the reference's, or "" if it does not.

    ``outputs`` are the files of the reference's and of our outputs.
    """
    if ended(theirs) != ended(ours):
        return f"{ended(ours)}; the reference: {ended(theirs)}"
    if ours.get("stage") != "end":
        return ""
    with np.load(outputs[0]) as wanted, np.load(outputs[1]) as given:
        same = wanted.files == given.files and all(
            _same(wanted[name], given[name]) for name in wanted.files
        )
    return "" if same else "other outputs"


def ended(run: Mapping[str, Any]) -> str:
    """How a model's run ended, as in ``ValueError at load``."""
    if "signal" in run:
        return f"signal {run['signal']}"
    return f"{run['error']['type']} at {run['stage']}" if run["error"] else "runs"


def _same(wanted: NDArray[Any], given: NDArray[Any]) -> bool:
    if wanted.shape != given.shape or wanted.dtype.kind != given.dtype.kind:
        return False
    if wanted.dtype.kind == "f":
        return np.allclose(given, wanted, rtol=5e-5, atol=1e-6, equal_nan=True)
    return np.array_equal(given, wanted)


def generated() -> dict[str, bytes]:
    """The models that TensorFlow's build makes of graphs, and that of the converted function."""
    return {
        "permute_float.tflite": _permute(np.float32(1), None),
        "permute_uint8.tflite": _permute(np.uint8(255), Quantisation((1.0,))),
        "gather_string.tflite": _gather(),
        "gather_string_0d.tflite": _gather_of_constant(),
        "two_signatures.tflite": _two_signatures(),
        "sum.tflite": _sum(),
    }


def _permute(one: Any, quantisation: Quantisation | None) -> bytes:
    """The product with a matrix that turns four numbers round."""
    writer = ModelWriter("permute")
    dtype = one.dtype.name
    first = writer.tensor("input", (1, 4), dtype, quantisation)
    scale = Quantisation((1 / 255,)) if quantisation else None
    weights = writer.constant("weights", one * np.eye(4, dtype=one.dtype)[::-1], scale)
    last = writer.tensor("output", (1, 4), dtype, quantisation)
    writer.operator("FULLY_CONNECTED", 1, [first, weights, -1], [last])
    return writer.pack([first], [last])


def _gather() -> bytes:
    writer = ModelWriter("gather")
    words = writer.tensor("input", (10,), "string")
    indices = writer.tensor("indices", (3,), "int64")
    last = writer.tensor("output", (3,), "string")
    writer.operator("GATHER", 3, [words, indices], [last])
    return writer.pack([words, indices], [last])


def _gather_of_constant() -> bytes:
    """The first input, which has no dimension, is not used."""
    writer = ModelWriter("gather 0d")
    word = writer.tensor("input", (), "string")
    indices = writer.tensor("indices", (3,), "int64")
    stored = np.array([1, 12, 16, *np.frombuffer(b"abcd", np.int32)], np.int32)
    writer.constant("stored", stored)
    constant = writer.tensor("input_const", (1,), "string")
    writer.set_buffer(constant, 1)
    last = writer.tensor("output", (3,), "string")
    writer.operator("GATHER", 3, [constant, indices], [last])
    return writer.pack([word, indices], [last])


def _two_signatures() -> bytes:
    """A sum and a product with a constant, each in a subgraph of its own."""
    writer = ModelWriter("two signatures")
    graphs = []
    for name, operator in (("add", "ADD"), ("multiply", "MUL")):
        first = writer.tensor(f"{name}_x:0", (1,), "float32")
        constant = writer.constant(f"{name}/y", np.array([3], np.float32))
        last = writer.tensor("Identity", (1,), "float32")
        writer.operator(operator, 1, [first, constant], [last])
        graphs.append(([first], [last], (name, {"x": first}, {"output_0": last})))
        if len(graphs) == 1:
            writer.subgraph(*graphs[0])
    return writer.pack(*graphs[1])


def _sum() -> bytes:
    """The sum of any number of values."""
    writer = ModelWriter("sum")
    first = writer.tensor("x", (-1,), "float32")
    axis = writer.constant("axis", np.array([0], np.int32))
    last = writer.tensor("Identity", (), "float32")
    writer.operator("SUM", 1, [first, axis], [last])
    signature = ("serving_default", {"x": first}, {"output_0": last})
    return writer.pack([first], [last], signature)
