"""The newest TFLite beside the default one: its wheels, and what they take that others do not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from ai_edge_litert.interpreter import (  # type: ignore[import-untyped]
    Interpreter,
    OpResolverType,
)

from tests.emulated import behaviour_expected as expected
from tests.emulated import transcripts
from tests.emulated.transcripts import at_path, brief
from tests.support import REPO, checkouts
from wheelhouse.common.errors import Kind
from wheelhouse.common.process import Completed
from wheelhouse.common.store import file_digest
from wheelhouse.machines import qemu, rootfs
from wheelhouse.package import products
from wheelhouse.sources import pins, releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.specimens.flatbuffer import ModelWriter
from wheelhouse.targets import matrix, systems
from wheelhouse.targets.architectures import architecture
from wheelhouse.verify import runtime_trials, session

Cli = Callable[..., Completed]
Operator = tuple[str, int]
Report = dict[str, Any]

RELEASE, VERSION = "2.22.0.dev20260518", "2.22.0.dev2026051800"
PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
NEW = ("mobilenet-0.25-96-dynamic", "selfie_segmentation")
"""The models that TFLite 2.14 refuses."""

LATEST_VERSION = 30
"""Of an operator that is tried: newer than any that there is."""

LOOKUP = """
from pathlib import Path
from tflite_runtime.interpreter import Interpreter
for path in Path().glob("*.tflite"):
    try:
        Interpreter(str(path))
    except ValueError as error:
        assert "Didn't find op for builtin opcode" in str(error)
        print(path.stem)
"""
PAGE = " ".join((REPO / "docs/explanation/operator-versions.md").read_text().split())
NO_OPERATORS = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")


@pytest.mark.parametrize("tag", ["cp37", "cp311"])
def test_the_wheel_has_the_promised_name_and_size(newest: dict[str, Path], tag: str) -> None:
    abi = "abi3" if tag == "cp37" else tag
    assert newest[tag].name == f"tflite_runtime-{VERSION}-{tag}-{abi}-{PLATFORM}.whl"
    assert newest[tag].stat().st_size <= 2_400_000


@pytest.mark.parametrize("tag", ["cp37", "cp311"])
def test_the_record_tells_what_was_tried(newest: dict[str, Path], tag: str) -> None:
    path = newest[tag]
    record = json.loads(path.with_name(f"{path.name}.verified.json").read_text())
    assert record["sha256"] == file_digest(path)
    names = [systems.system(name).name for name in products.matching(path).systems]
    tried = [(trial["system"], trial["board"]) for trial in record["trials"]]
    assert tried == [(name, board) for name in names for board in matrix.targets()[0].boards * 2]
    for trial in record["trials"]:
        passed = {check["name"] for check in trial["checks"] if check["passed"]}
        assert len(passed) == len(trial["checks"])
        for model in NEW:
            assert f"{model} uses XNNPACK as built" in passed
            assert f"{model} agrees with the reference" in passed


def codes(operators: Sequence[Operator]) -> bytes:
    """A model that names operators and uses none: a runtime looks them up all the same."""
    writer = ModelWriter("operators")
    x = writer.tensor("x", (1,), "float32")
    model = schema.ModelT.InitFromPackedBuf(writer.pack([x], [x]))
    model.operatorCodes = [
        schema.OperatorCodeT(
            deprecatedBuiltinCode=min(number, 127), version=version, builtinCode=number
        )
        for name, version in operators
        for number in [getattr(schema.BuiltinOperator, name)]
    ]
    return ModelWriter.serialise(model)


def taken_by_the_reference() -> list[Operator]:
    def takes(operator: Operator) -> bool:
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            Interpreter(model_content=codes([operator]), experimental_op_resolver_type=resolver)
        except ValueError as error:
            assert f"builtin opcode '{operator[0]}' version" in str(error)  # noqa: PT017
            return False
        return True

    names = [name for name, value in vars(schema.BuiltinOperator).items() if type(value) is int]
    return [
        (name, version)
        for name in names
        if name not in NO_OPERATORS
        for version in range(1, LATEST_VERSION + 1)
        if takes((name, version))
    ]


def refused_by(
    wheel: Path, operators: Sequence[Operator], fetcher: Fetcher, work: Path
) -> set[Operator]:
    """Those of the operators' versions that a wheel does not know, in one emulated process."""
    system = systems.system("bookworm")
    session.install(wheel, None, system, fetcher, work)
    (work / "lookup.py").write_text(LOOKUP)
    for name, version in operators:
        (work / f"{name}-{version}.tflite").write_bytes(codes([(name, version)]))
    done = qemu.run(
        ["env/bin/python", "lookup.py"],
        tree=rootfs.tree(system, fetcher.store),
        board=systems.board("Raspberry Pi 5"),
        work=work,
    )
    assert done.status == 0, done.stderr
    words = (line.rsplit("-", 1) for line in done.stdout.splitlines())
    return {(name, int(version)) for name, version in words}


def documented() -> set[Operator]:
    """The operators' versions that the documentation says TFLite 2.22 lacks: ``ADD 6``."""
    (sentence,) = re.findall(r"TFLite 2.22 lacks those of ai-edge-litert[^:]*: ([^.]*)\.", PAGE)
    return {(name, int(version)) for name, version in re.findall(r"(\w+) (\d+)", sentence)}


def test_the_documentation_lists_the_operator_versions_that_only_ai_edge_litert_takes(
    newest: dict[str, Path], fetcher: Fetcher, tmp_path: Path
) -> None:
    operators = taken_by_the_reference()
    assert max(version for _, version in operators) < LATEST_VERSION
    unknown = ("FULLY_CONNECTED", 99)
    assert refused_by(newest["cp37"], [*operators, unknown], fetcher, tmp_path) == {
        unknown,
        *documented(),
    }


@pytest.mark.parametrize(("options", "version"), [((), "2.14.1"), (("--pre",), VERSION)])
def test_pip_takes_the_newest_only_where_it_may(
    wheels: dict[str, Path],
    newest: dict[str, Path],
    tmp_path: Path,
    options: tuple[str, ...],
    version: str,
) -> None:
    for path in (*wheels.values(), *newest.values()):
        (tmp_path / path.name).symlink_to(path)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "tflite-runtime", "--no-deps", *options),
            *("--no-index", "--find-links", tmp_path, "--only-binary", ":all:"),
            *("--platform", "manylinux2014_aarch64", "--python-version", "3.11"),
            *("--implementation", "cp", "--dest", tmp_path / "got"),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (got,) = (tmp_path / "got").iterdir()
    assert got.name.startswith(f"tflite_runtime-{version}-cp311-")


@pytest.fixture(scope="module")
def reports(newest: dict[str, Path], fetcher: Fetcher) -> dict[str, Report]:
    """What ``guest.behaviour`` reports of each wheel, by its tag."""
    return {
        tag: transcripts.record("behaviour", newest[tag], "bookworm", fetcher)
        for tag in ("cp311", "cp37")
    }


@pytest.mark.parametrize("tag", ["cp311", "cp37"])
def test_the_behaviour_is_as_promised(reports: dict[str, Report], tag: str) -> None:
    cases = reports[tag]["cases"]
    promised = expected.on(architecture("aarch64"), expected.NEWEST)
    assert {path: brief(at_path(cases, path)) for path in promised} == promised


def test_both_kinds_of_wheel_behave_alike(reports: dict[str, Report]) -> None:
    assert transcripts.differences(reports["cp311"], reports["cp37"]) == []


LATEST_FEATURES = """
import resource
import tflite_runtime.interpreter as runtime
def cycle():
    options = {"experimental_default_delegate_latest_features": True}
    interpreter = runtime.Interpreter("model.tflite", num_threads=1, **options)
    interpreter.allocate_tensors()
    interpreter.invoke()
for _ in range(200):
    cycle()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(2000):
    cycle()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
"""Prints how many KiB the process has grown by."""


def test_the_delegate_with_the_latest_features_is_deleted(
    newest: dict[str, Path], fetcher: Fetcher, tmp_path: Path
) -> None:
    """Upstream's leaks: 760 KiB in as many cycles."""
    system = systems.system("bookworm")
    arithmetic = next(model for model in models.generated() if model.name == "arithmetic")
    session.install(newest["cp37"], None, system, fetcher, tmp_path)
    (tmp_path / "model.tflite").write_bytes(arithmetic.content)
    done = qemu.run(
        ["env/bin/python", "-c", LATEST_FEATURES],
        tree=rootfs.tree(system, fetcher.store),
        board=systems.board("Raspberry Pi 5"),
        work=tmp_path,
    )
    assert runtime_trials.DELEGATE_LINE in done.stderr
    assert int(done.stdout) < 300


@pytest.fixture
def checkout(fetcher: Fetcher, tmp_path: Path) -> Path:
    """A checkout of TensorFlow at the commit that sources.toml pins."""
    return checkouts.newest(fetcher, RELEASE, tmp_path / "tensorflow")


def test_a_checkout_is_built_and_says_so(
    newest: dict[str, Path], checkout: Path, cli: Cli, project: Path
) -> None:
    """The same content gives the same module: nothing is compiled again."""
    notice = checkout / "tensorflow/lite/python/interpreter.py"
    notice.write_text(notice.read_text() + "\nMINE = True\n")
    words = ("--tflite-source", str(checkout), "--py", "3.11", "--no-verify", "--offline")
    done = cli("build", *words, cwd=project)
    assert done.status == 0, done.stderr
    built = Path(done.stdout.strip())
    assert built.name == f"tflite_runtime-{VERSION}+checkout-cp311-cp311-{PLATFORM}.whl"
    with zipfile.ZipFile(built) as mine, zipfile.ZipFile(newest["cp311"]) as theirs:
        module = "tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so"
        assert mine.read(module) == theirs.read(module)
        assert b"MINE = True" in mine.read("tflite_runtime/interpreter.py")


@pytest.mark.usefixtures("newest")
def test_a_checkout_of_another_version_is_refused(checkout: Path, cli: Cli) -> None:
    (checkout / "tensorflow/tf_version.bzl").write_text('TF_VERSION = "2.17.0"\n')
    done = cli("build", "--tflite-source", str(checkout))
    assert done.status == Kind.USAGE
    assert f"{checkout} is TFLite 2.17.0, for which there are no patches here." in done.stderr
    assert f"Check out 2.14.1 or {RELEASE}" in done.stderr


def test_the_default_release_fetches_no_large_archive_of_the_newest() -> None:
    default, newest = (
        {part.pin.carton for part in pins.release_components(tflite).values() if part.pin.carton}
        for tflite in (matrix.matrix().tflite, releases.known_versions()[-1])
    )
    assert newest
    assert default.isdisjoint(newest)
