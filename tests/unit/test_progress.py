"""What a command says of the time that it still needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wheels import wheel, whole
from wheelhouse import pipeline
from wheelhouse.common import costs, progress
from wheelhouse.common.costs import Cost
from wheelhouse.common.step import Inputs, Step, get_or_make
from wheelhouse.common.store import Store
from wheelhouse.package import products
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.verify.expected import expected


def _touch(inputs: Inputs, folder: Path) -> None:
    (folder / "made").touch()


def step(kind: str, label: str, *needs: Step) -> Step:
    return Step(kind, label, _touch, {each.label: each for each in needs})


@pytest.fixture
def chain() -> list[Step]:
    tree = step("trees", "ruy-1")
    core = step("cores", "tflite", tree)
    return [tree, core, step("wheels", "wheel", core)]


SECONDS = {("trees", "ruy-1"): 2.0, ("cores", "tflite"): 500.0, ("wheels", "wheel"): 120.0}


def test_each_long_step_is_announced_with_the_time_that_is_left(
    chain: list[Step], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.expecting(SECONDS):
        get_or_make(chain[-1], Fetcher(Store(tmp_path)))
    assert capsys.readouterr().err.splitlines() == [
        "Step 1 of 2: library tflite, about 10 min left",
        "Step 2 of 2: wheel wheel, about 2 min left",
    ]


def test_what_is_there_is_not_announced(
    chain: list[Step], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetcher = Fetcher(Store(tmp_path))
    get_or_make(chain[1], fetcher)
    with progress.expecting({("wheels", "wheel"): 40}):
        get_or_make(chain[-1], fetcher)
    get_or_make(step("cores", "tflite"), fetcher)
    said = capsys.readouterr().err.splitlines()
    assert said == ["Step 1 of 1: wheel wheel, about a minute left"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(9.4, "9 s"), (59.6, "1 min 0 s"), (849, "14 min 9 s")]
)
def test_a_time_is_told_in_minutes(seconds: float, words: str) -> None:
    assert progress.took(seconds) == words


def test_the_time_is_that_of_the_last_time_or_else_of_the_table(tmp_path: Path) -> None:
    store = Store(tmp_path)
    label = "tflite-2.14.1-aarch64"
    tabled = costs.tabled("cores", label)
    assert costs.expected_time(store, "cores", label, 4) == tabled / 4
    assert costs.expected_time(store, "rootfs", "bookworm-arm64", 4) == costs.tabled("rootfs", "b")
    costs.note(store, "cores", label, Cost(cpu=800, wall=450))
    assert costs.expected_time(store, "cores", label, 4) == 450


def test_a_build_from_nothing_expects_all_of_it(tmp_path: Path) -> None:
    asked, store = [products.universal()], Store(tmp_path)
    found = pipeline.seconds_by_step(asked, store, verified=True)
    kinds = {kind for kind, _ in found}
    assert {"trees", "cores", "extensions", "wheels", "rootfs", "verified"} <= kinds
    assert found["verified", asked[0].label] > progress.LONG
    alone = pipeline.seconds_by_step(asked, store, verified=False)
    assert found.keys() - alone.keys() == {
        name for name in found if name[0] in ("rootfs", "verified")
    }


def test_a_wheel_is_summed_up_by_its_record(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag="cp311-cp311-manylinux_2_17_aarch64")
    assert pipeline.seen(path) == pipeline.UNTRIED
    whole(path)
    made = sum(map(len, expected(path, "host").checks.values()))
    assert made > 100
    assert pipeline.seen(path) == f"{made} checks passed on 1 system"
    path.with_name(f"{path.name}.verified.json").unlink()
    assert pipeline.seen(path) == pipeline.UNTRIED
