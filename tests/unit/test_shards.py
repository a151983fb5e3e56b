"""How tests are split into shards, and what decides whether a result still counts."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support import REPO
from wheelhouse.common import costs
from wheelhouse.common.costs import Cost
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.testing import results, shards
from wheelhouse.testing.shards import GROUPS, SUITES, Case
from wheelhouse.testing.tiers import Wanted

UNITS = {"a": 50.0, "b": 40.0, "c": 30.0, "d": 30.0, "e": 20.0, "f": 10.0}


def loads(units: dict[str, float], count: int) -> list[float]:
    found: Counter[int] = Counter()
    for label, shard in shards.split(units, count).items():
        found[shard] += round(units[label])
    return [found[number] for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [180]), (2, [90, 90]), (3, [60, 60, 60]), (8, [50, 40, 30, 30, 20, 10, 0, 0])],
)
def test_shards_take_about_the_same_time(count: int, expected: list[float]) -> None:
    assert loads(UNITS, count) == expected


def test_the_split_does_not_depend_on_the_order_of_units() -> None:
    backwards = dict(reversed(UNITS.items()))
    assert shards.split(backwards, 3) == shards.split(UNITS, 3)


def test_an_unknown_unit_counts_as_the_mean(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cases = [Case(f"tests/new/test_{name}.py::test", ("newest",)) for name in "abc"]
    assert {*shards.seconds(cases, store).values()} == {60}
    for case, seconds in zip(cases, (10.0, 30.0), strict=False):
        costs.note(store, shards.TESTS, case.unit, Cost(seconds, seconds))
    assert [*shards.seconds(cases, store).values()] == [10, 30, 20]


def test_more_time_is_expected_of_a_machine_that_compiles_slowly(tmp_path: Path) -> None:
    store = Store(tmp_path)
    case = Case("tests/unit/test_a.py::test", ())
    known = {case.unit: 600.0}
    assert shards.minutes([case], known, store, 2) == pytest.approx(12)
    label = "cxx-aarch64-2.17"
    costs.note(store, "cxx", label, Cost(3 * costs.tabled("cxx", label), 40))
    assert shards.minutes([case], known, store, 2) == pytest.approx(36)


def test_all_tests_of_the_engine_are_in_one_shard() -> None:
    files = ("emulated/test_a.py", "integration/test_b.py", "emulated/test_c.py")
    cases = [Case(f"tests/{file}::test", ("engine", "wheels")) for file in files]
    assert {case.unit for case in cases} == {"engine"}


def test_each_test_of_a_whole_release_is_a_unit() -> None:
    file = "tests/emulated/test_release.py"
    cases = [Case(f"{file}::test[{part}]", ("whole_release",)) for part in ("a-b", "c")]
    assert [case.unit for case in cases] == [
        "emulated-test_release-whole_release-a-b",
        "emulated-test_release-whole_release-c",
    ]


def test_a_later_shard_is_split_as_the_first_one_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = shards.agreed(UNITS, 2, "0" * 64, store)
    changed = {**UNITS, "f": 500.0}
    assert shards.agreed(changed, 2, "0" * 64, store) == first
    assert shards.agreed(changed, 2, "1" * 64, store) != first


def test_every_suite_is_a_group_and_a_folder() -> None:
    assert {group.name for group in GROUPS} >= {*SUITES}
    assert all((REPO / "tests" / suite).is_dir() for suite in SUITES)


def test_what_a_result_depends_on_is_all_that_is_here() -> None:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    here = {line.partition("/")[0] for line in done.stdout.splitlines()}
    assert here == {*results.CODE, *results.DOCUMENTS}


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("tests/integration/test_a.py", "a b c"),
        ("tests/integration/test_b.py", "b c"),
        ("tests/unit/test_c.py", "c"),
        ("tests/support/helper.py", "a b c"),
        ("wheelhouse/common/store.py", "a b c"),
        ("requirements.lock", "a b c"),
        ("docs/plan.md", "a c"),
        ("docs/decisions/0001-x.md", "c"),
        ("README.md", "c"),
        ("changes/new.md", "c"),
        ("figures/boards/raspberry-pi-5-2026-11-20.json", "c"),
        ("elsewhere.txt", ""),
    ],
)
def test_a_change_makes_run_again_what_it_can_change(
    changed: str, again: str, tmp_path: Path
) -> None:
    files = {
        "tests/integration/test_a.py": "HOW_TO = 'plan.md'",
        "tests/integration/test_b.py": '"""A test."""\nfrom tests.integration.test_a import X',
        "tests/unit/test_c.py": "",
        "tests/support/helper.py": "",
        "wheelhouse/common/store.py": "",
        "requirements.lock": "",
        "docs/plan.md": "",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    before = results.digests(tmp_path)
    (tmp_path / changed).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / changed).write_text(files.get(changed, "") + "# changed")
    after = results.digests(tmp_path)
    assert [Path(file).stem[-1] for file in after if after[file] != before[file]] == again.split()


def test_a_damaged_result_does_not_count(tmp_path: Path) -> None:
    file = "tests/unit/test_a.py"
    held = results.Results(Store(tmp_path), {file: "0" * 64})
    writer = results.Writer({file: str(held.folder(file))})
    writer.add(f"{file}::one", 1.5)
    writer.add(f"{file}::two", 2.5)
    (held.folder(file) / "other.json").write_text(f'{{"{file}::three": ')
    assert held.passed() == {f"{file}::one": 1.5, f"{file}::two": 2.5}


@pytest.mark.parametrize(
    ("all", "shard", "minutes", "said"),
    [
        (False, "1/2", "", "Add --all."),
        (False, "", "5", "Add --all."),
        (True, "", "5", "Add the first one, as in --shard 1/6."),
        (True, "1/2", "soon", "As in --minutes 40."),
        *((True, shard, "", "As in --shard 1/4.") for shard in ("0/2", "3/2", "1/0", "1", "a/b")),
    ],
)
def test_wrong_words_are_answered_with_right_ones(
    all: bool, shard: str, minutes: str, said: str
) -> None:
    with pytest.raises(WheelhouseError) as caught:
        Wanted.from_words(SUITES, all, shard, minutes)
    assert caught.value.hint == said
    assert caught.value.kind is Kind.USAGE


@pytest.mark.parametrize(("shard", "first"), [("1/6", 1), ("6/6", 6), ("7/6", 1), ("215/6", 5)])
def test_any_number_names_the_first_of_several_shards(shard: str, first: int) -> None:
    assert Wanted.from_words(SUITES, True, shard, "40").shard == (first, 6)
