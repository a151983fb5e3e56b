"""`./inv fuzz`, with a runtime that dies where it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]

from tests.support.runtimes import INTERPRETER
from tests.support.wheels import wheel
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.specimens import models
from wheelhouse.specimens.flatbuffer import ModelWriter
from wheelhouse.specimens.kernels import Specimen, specimens
from wheelhouse.verify import fuzz

RUNTIME = (
    INTERPRETER
    + """\
    def NumTensors(self, _):
        return 1
    def get_tensor(self, _):
        self.die("GET")
    def tensor(self, _):
        return lambda: None
    def invoke(self):
        self.die("MUL")
        if b"SLOW" in self.content:
            import numpy as np
            self.memory = np.ones(200_000_000)
    def die(self, word):
        if word.encode() in self.content:
            ctypes.string_at(0)
"""
)


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    return wheel(tmp_path, replaced={"tflite_runtime/interpreter.py": RUNTIME})


def _mutant(content: bytes, **fields: str) -> fuzz.Mutant:
    return fuzz.Mutant("origin", "bytes", content, 1, **fields)  # type: ignore[arg-type]


def test_what_ends_a_process_is_named_and_kept(fake: Path, tmp_path: Path) -> None:
    texts = (b"nothing", b"in GET", b"and MUL", b"is SLOW")
    count, found = fuzz.run(fake, map(_mutant, texts), tmp_path / "kept")
    assert count == 4
    assert [(each.stage, each.signal, each.kernel) for each in found] == [
        ("get", "SIGSEGV", "unknown"),
        ("invoke", "SIGSEGV", "unknown"),
        ("invoke", "memory", "unknown"),
    ]
    assert [each.dies for each in found] == [True, True, False]
    assert fuzz.table(found)[0].split() == ["1", "get", "SIGSEGV", "unknown"]
    kept = list(fuzz.again(tmp_path / "kept"))
    assert {each.content for each in kept} == set(texts[1:])
    assert len(fuzz.run(fake, kept, tmp_path / "again")[1]) == 3


def test_a_run_fails_where_a_process_died_too_early(fake: Path, tmp_path: Path) -> None:
    _, early = fuzz.run(fake, [_mutant(b"in GET")], tmp_path)
    _, late = fuzz.run(fake, [_mutant(b"and MUL")], tmp_path)
    fuzz.judge(1000, late, tmp_path)
    with pytest.raises(WheelhouseError, match="0 end the process before invoke"):
        fuzz.judge(999, late, tmp_path)
    with pytest.raises(WheelhouseError, match="1 end the process before invoke"):
        fuzz.judge(100_000, early, tmp_path)


def test_operators_that_are_not_needed_are_cut_off(fake: Path, tmp_path: Path) -> None:
    """The model's last operators go; its description, for which the process dies, stays."""
    model = schema.ModelT.InitFromPackedBuf(models.small_mobilenet("float32").content)
    model.description = "MUL"
    content = ModelWriter.serialise(model)
    _, (finding,) = fuzz.run(fake, [_mutant(content)], tmp_path)
    assert finding.kernel == "CONV_2D"
    assert len(finding.mutant.content) < len(content)


def test_a_seed_makes_the_same_mutants() -> None:
    right = list(specimens())
    first = list(fuzz.mutants(3, 60, right))
    assert first == list(fuzz.mutants(3, 60, right))
    assert first != list(fuzz.mutants(4, 60, right))
    assert first[:20] == list(fuzz.mutants(3, 20, right))
    assert {each.mutator for each in first} == {"bytes", "schema", "integers"}


def test_mutants_differ_from_what_is_right() -> None:
    right = Specimen("mobilenet", models.small_mobilenet("int8").content, {})
    drawn = list(fuzz.mutants(1, 50, [right]))
    changed = [each.content != right.content for each in drawn if each.mutator != "integers"]
    assert sum(changed) > 0.8 * len(changed)
    assert all(each.content == right.content for each in drawn if each.mutator == "integers")


def test_specimens_have_most_kernels() -> None:
    """What the names say is in the files."""
    names = {fuzz._kernels(each.content) for each in specimens()}
    assert len(names) > 150
    assert {"SLICE", "SPARSE_TO_DENSE", "LSTM", "IF", "WHILE", "CUSTOM"} < names
