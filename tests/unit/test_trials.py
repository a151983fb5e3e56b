"""Which trials a wheel of each processor has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.wheels import wheel
from wheelhouse import pipeline
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import Step
from wheelhouse.common.store import Store
from wheelhouse.sources import releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems
from wheelhouse.verify import trials

SUITES = ["bullseye", "bookworm", "trixie", "sid"]


def tried(folder: Path, processor: str, engine: str) -> list[tuple[str, str, str]]:
    """The system, board and NumPy of each trial of a universal wheel."""
    path = wheel(folder, tag=f"cp37-abi3-manylinux_2_17_{processor}.manylinux2014_{processor}")
    steps = (each for each in trials.verification(path, engine).needs.values())
    told = [each.parameters for each in steps if isinstance(each, Step)]
    return [(each["system"], each["board"], each["numpy"]) for each in told]


def test_a_pcs_wheel_runs_beside_both_numpys_here_and_beside_the_systems_on_old_processors(
    tmp_path: Path,
) -> None:
    found = tried(tmp_path, "x86_64", "host")
    names = {systems.system(suite, "x86_64").name for suite in SUITES}
    assert {system for system, _, _ in found} == names
    assert Counter((board, numpy) for _, board, numpy in found) == {
        ("PC", "own"): 4,
        ("PC", "newest"): 4,
        ("PC without AVX", "own"): 4,
        ("PC without SSE4", "own"): 4,
    }


def test_a_container_is_no_older_processor_than_the_machine(tmp_path: Path) -> None:
    assert {board for _, board, _ in tried(tmp_path, "x86_64", "docker")} == {"PC"}
    boards = set(matrix.targets()[0].boards)
    assert {board for _, board, _ in tried(tmp_path, "aarch64", "docker")} == boards


def test_a_pis_wheel_is_tried_beside_both_numpys_as_every_board(tmp_path: Path) -> None:
    found = tried(tmp_path, "aarch64", "host")
    boards = matrix.targets()[0].boards
    assert len(found) == len({*found}) == 5 * len(boards) * 2


def test_a_wheel_for_musl_is_tried_beside_numpys_own_and_in_no_container(tmp_path: Path) -> None:
    (target,) = matrix.choose("all", ("aarch64-musl",))
    path = wheel(tmp_path, tag="cp37-abi3-musllinux_1_2_aarch64")
    steps = trials.steps(path, "host")
    assert [each.parameters["board"] for each in steps] == [*target.boards]
    assert {each.parameters["numpy"] for each in steps} == {"own"}
    with pytest.raises(WheelhouseError, match="no container image of Alpine-like"):
        trials.steps(path, "docker")
    asked = pipeline.wanted([target], True, releases.choose(), armnn=False)
    with pytest.raises(WheelhouseError, match="no container image") as caught:
        pipeline.build(asked, Fetcher(Store(tmp_path / "cache")), "docker", releases.choose(), True)
    assert caught.value.kind is Kind.USAGE
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_no_wheel_is_refused_before_anything_is_tried(tmp_path: Path) -> None:
    path = tmp_path / "tflite_runtime-2.14.1-cp37-abi3-manylinux_2_17_x86_64.whl"
    path.write_bytes(b"")
    with pytest.raises(WheelhouseError, match="no zip archive") as caught:
        pipeline.verify([path], Fetcher(Store(tmp_path / "cache")), "host")
    assert caught.value.kind is Kind.AUDIT
    assert not (tmp_path / "cache").exists()
