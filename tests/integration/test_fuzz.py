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
        while b"SPIN" in self.content:
            pass
        import time
        time.sleep({b"NAPS": 1.5, b"WAIT": 60}.get(self.content[-4:], 0))
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
    counts, found = fuzz.run(fake, map(_mutant, texts), tmp_path / "kept")
    assert counts == {"mutants": 4}
    assert [(each.stage, each.signal, each.kernel) for each in found] == [
        ("get", "SIGSEGV", "unknown"),
        ("invoke", "SIGSEGV", "unknown"),
        ("invoke", "memory", "unknown"),
    ]
    assert [each.dies for each in found] == [True, True, False]
    assert fuzz.listing(found)[0].split() == ["1", "mutants", "get", "SIGSEGV", "unknown"]
    assert fuzz.summary(counts | {"tensors": 9}, found) == [
        "mutants         4 tried: 1 died in get, 1 died in invoke, 1 took too much memory",
        "tensors         9 tried: nothing found",
    ]
    kept = list(fuzz.again(tmp_path / "kept"))
    assert {each.content for each in kept} == set(texts[1:])
    assert len(fuzz.run(fake, kept, tmp_path / "again")[1]) == 3


def test_a_run_fails_where_a_process_died_too_early(fake: Path, tmp_path: Path) -> None:
    _, early = fuzz.run(fake, [_mutant(b"in GET")], tmp_path)
    _, late = fuzz.run(fake, [_mutant(b"and MUL")], tmp_path)
    fuzz.judge({"mutants": 1000}, late, tmp_path)
    with pytest.raises(WheelhouseError, match="1 of 999 trials end the process; 1 of them are"):
        fuzz.judge({"mutants": 999}, late, tmp_path)
    with pytest.raises(WheelhouseError, match="1 of 100000 trials end the process; 0 of them are"):
        fuzz.judge({"mutants": 100_000}, early, tmp_path)


@pytest.mark.parametrize("kind", ["operators", "integers", "tensors"])
def test_no_trial_of_another_kind_may_end_the_process(
    fake: Path, tmp_path: Path, kind: str
) -> None:
    counts, late = fuzz.run(fake, [_mutant(b"and MUL", kind=kind)], tmp_path / "kept")
    assert counts == {kind: 1}
    with pytest.raises(WheelhouseError, match="1 of 100001 trials"):
        fuzz.judge({**counts, "mutants": 100_000}, late, tmp_path)
    assert [each.kind for each in fuzz.again(tmp_path / "kept")] == [kind]


def test_only_the_time_of_the_processor_is_short(
    fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = fuzz.GUEST.read_text()
    for line, shorter in (("\nSECONDS = 20\n", "\nSECONDS = 1\n"), ("ASLEEP = 10", "ASLEEP = 8")):
        assert line in text
        text = text.replace(line, shorter)
    monkeypatch.setattr(fuzz, "GUEST", tmp_path / "fuzz.py")
    fuzz.GUEST.write_text(text)
    texts = (b"it SPINS", b"it NAPS", b"it must WAIT")
    counts, found = fuzz.run(fake, map(_mutant, texts), tmp_path / "kept")
    assert [(each.mutant.content, each.signal) for each in found] == [
        (b"it SPINS", "SIGXCPU"),
        (b"it must WAIT", "SIGALRM"),
    ]
    assert fuzz.summary(counts, found) == ["mutants         3 tried: 2 took too long"]


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


def test_operators_have_each_wrong_input_of_each_model() -> None:
    right = [each for each in specimens() if each.name.startswith(("SLICE", "SOFTMAX"))]
    drawn = list(fuzz.operators(1, 10_000, right))
    assert list(fuzz.operators(1, 20, right)) == drawn[:20]
    assert list(fuzz.operators(2, 20, right)) != drawn[:20]
    for origin in right:
        of_it = [each.content for each in drawn if each.origin == origin.name]
        assert len(set(of_it)) > 0.9 * len(of_it) > 36
        changed = [schema.ModelT.InitFromPackedBuf(each).subgraphs[0] for each in of_it]
        inputs = schema.ModelT.InitFromPackedBuf(origin.content).subgraphs[0].operators[-1].inputs
        lists = [list(each.operators[-1].inputs) for each in changed]
        for place in range(len(inputs)):
            before, after = list(inputs[:place]), list(inputs[place + 1 :])
            assert [*before, -1, *after] in lists
            assert [*before, *after] in lists
            tensors = [each.tensors[inputs[place]] for each in changed]
            ranks = {0 if each.shape is None else len(each.shape) for each in tensors}
            assert {0, 1, 2, 3, 4, 5, 9} <= ranks
            assert any(0 in each.shape for each in tensors if each.shape is not None)
            assert {each.type for each in tensors} == set(fuzz._BITS)


def test_operators_are_tried_without_what_makes_their_resources() -> None:
    right = next(each for each in specimens() if each.name.startswith("ASSIGN_VARIABLE"))
    drawn = fuzz.operators(1, 10_000, [right])
    counts = {
        len(schema.ModelT.InitFromPackedBuf(each.content).subgraphs[0].operators) for each in drawn
    }
    assert counts == {1, 2}


def test_operators_have_each_wrong_number_in_their_options() -> None:
    right = next(each for each in specimens() if each.name == "DEPTHWISE_CONV_2D-18")
    tables = [
        vars(schema.ModelT.InitFromPackedBuf(each.content).subgraphs[0].operators[0].builtinOptions)
        for each in fuzz.operators(1, 10_000, [right])
    ]
    for name in ("strideW", "strideH", "depthMultiplier", "dilationWFactor", "dilationHFactor"):
        assert {-7, -1, 0, 1, 2, 3, 7, 3000, 2**31 - 1} <= {each[name] for each in tables}


def test_a_constant_of_another_type_has_its_size() -> None:
    right = next(each for each in specimens() if each.name.startswith("SLICE-"))
    for mutant in fuzz.operators(1, 10_000, [right]):
        model = schema.ModelT.InitFromPackedBuf(mutant.content)
        tensor = model.subgraphs[0].tensors[model.subgraphs[0].operators[0].inputs[1]]
        if tensor.type == schema.TensorType.INT64:
            assert len(model.buffers[tensor.buffer].data) == 8 * tensor.shape[0]
            break
    else:
        pytest.fail("no such mutant")


def test_hostile_integers_are_given_to_right_models() -> None:
    right = list(specimens())
    drawn = list(fuzz.integers(1, 300, right))
    assert len(drawn) == 300
    assert len({each.origin for each in drawn}) > 30
    contents = {each.name: each.content for each in right}
    assert all(each.content == contents[each.origin] and each.values for each in drawn)
    assert all(each.entry["hostile"] for each in drawn)
    assert len({each.seed for each in drawn}) == 300


def test_each_whole_model_is_used_in_several_ways() -> None:
    right = [Specimen(name, name.encode(), {}) for name in ("one", "two")]
    drawn = list(fuzz.tensors(1, 1000, right))
    assert [each.origin for each in drawn] == ["one", "two"] * 4
    assert len({each.seed for each in drawn}) == 8
    assert not any(each.entry["hostile"] for each in drawn)
    assert list(fuzz.tensors(1, 3, right)) == drawn[:3]


def test_specimens_have_most_kernels() -> None:
    """What the names say is in the files."""
    names = {fuzz._kernels(each.content) for each in specimens()}
    assert len(names) > 170
    assert {"SLICE", "SPARSE_TO_DENSE", "LSTM", "IF", "WHILE", "CUSTOM", "DENSIFY"} < names


def test_specimens_have_operators_whose_options_are_of_the_second_union() -> None:
    """And the subgraphs that these name."""
    found = {}
    for each in specimens():
        model = schema.ModelT.InitFromPackedBuf(each.content)
        if model.subgraphs[0].operators[-1].builtinOptions2 is not None:
            found[fuzz._kernels(each.content)] = len(model.subgraphs)
    assert found == {
        "DILATE": 1,
        "REDUCE_WINDOW": 1,
        "STABLEHLO_CASE": 3,
        "STABLEHLO_COMPOSITE": 2,
        "STABLEHLO_GATHER": 1,
        "STABLEHLO_PAD": 1,
        "STABLEHLO_REDUCE_WINDOW": 2,
        "STABLEHLO_RNG_BIT_GENERATOR": 1,
        "STABLEHLO_SCATTER": 2,
        "STABLEHLO_SHIFT_LEFT": 1,
    }
