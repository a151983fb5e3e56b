"""What `invoke cache` shows and removes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.running import Cli, Task, first_line
from wheelhouse.common.errors import Kind
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Entry, Store
from wheelhouse.compile.toolchain import toolchain
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import shared
from wheelhouse.testing import results
from wheelhouse.testing.results import Results, Writer

DAY = 86_400


@pytest.fixture
def needed(store: Store) -> Path:
    """What this checkout needs: a compiler."""
    return get_or_make(toolchain("aarch64", "2.17"), Fetcher(store))


@pytest.fixture
def idle(store: Store) -> list[Path]:
    """What it does not need, used 3, 2 and 1 days ago."""
    folders = []
    for days in (3, 2, 1):
        folder = store.get_or_make(Entry("trees", f"old-{days}", f"{days}" * 64), filled)
        os.utime(folder, (time.time() - days * DAY - 60,) * 2)
        folders.append(folder)
    return folders


def filled(folder: Path) -> None:
    (folder / "content").write_bytes(b"0" * 1_000_000)


def test_each_kind_is_shown_with_its_size(
    cli: Cli, store: Store, needed: Path, idle: list[Path]
) -> None:
    done = cli("cache", WHEELHOUSE_CACHE=str(store.root))
    assert done.status == 0
    (trees,) = (line for line in done.stdout.splitlines() if "trees" in line)
    assert [cell.strip() for cell in trees.split("│")[2:5]] == ["3", "3 MB", "3 MB"]
    (compilers,) = (line for line in done.stdout.splitlines() if "toolchains" in line)
    assert [cell.strip() for cell in compilers.split("│")[2:5]] == ["1", "0 MB", "0 MB"]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ((), []),
        (("--keep", "36h"), ["old-1"]),
        (("--keep", "2d"), ["old-1"]),
        (("--keep", "3d"), ["old-2", "old-1"]),
        (("--max", "2.5MB"), ["old-2", "old-1"]),
        (("--max", "1GB"), ["old-3", "old-2", "old-1"]),
    ],
)
def test_what_is_not_needed_goes_the_longest_unused_first(
    cli: Cli, store: Store, needed: Path, idle: list[Path], words: tuple[str, ...], left: list[str]
) -> None:
    done = cli("cache", "--prune", *words, WHEELHOUSE_CACHE=str(store.root))
    assert done.status == 0, done.stderr
    assert f"{3 - len(left)} of 4 outputs removed" in done.stderr
    assert [path.name[:5] for path in idle if path.exists()] == left
    assert len(list((store.root / "trees").glob("*.sha256"))) == len(left)
    assert needed.exists()


def test_a_use_is_noted(cli: Cli, store: Store, needed: Path, idle: list[Path]) -> None:
    store.get_or_make(Entry("trees", "old-3", "3" * 64), filled)
    done = cli("cache", "--prune", "--keep", "12h", WHEELHOUSE_CACHE=str(store.root))
    assert done.status == 0
    assert [path.exists() for path in idle] == [True, False, False]


def test_a_fetched_file_that_a_pin_names_stays(cli: Cli, store: Store, idle: list[Path]) -> None:
    pin = shared("numpy-3.11-aarch64").pin.artefacts[0]
    for key in (pin.sha256, "f" * 64):
        (store.root / "files" / key[:16]).mkdir(parents=True)
    assert cli("cache", "--prune", WHEELHOUSE_CACHE=str(store.root)).status == 0
    assert [path.name for path in (store.root / "files").iterdir()] == [pin.sha256[:16]]


def test_results_of_tests_that_count_stay(cli: Cli, store: Store) -> None:
    file = "tests/unit/test_step.py"
    held = Results(store, results.digests())
    Writer({file: str(held.folder(file))}).add(f"{file}::test", 1)
    old = store.root / "results" / f"unit-test_step-{'0' * 16}"
    old.mkdir()
    done = cli("cache", "--prune", WHEELHOUSE_CACHE=str(store.root))
    assert "1 of 2 outputs removed" in done.stderr
    assert not old.exists()
    assert held.passed() == {f"{file}::test": 1}


def test_what_a_running_build_holds_or_has_just_used_stays(
    cli: Cli, store: Store, idle: list[Path], task: Task
) -> None:
    os.utime(idle[2])
    build = task(
        "import sys, time\nfrom wheelhouse.common.store import Entry, Store\n"
        f"with Store.default().locked('trees-{idle[0].name}', ''):\n"
        "    print('held', file=sys.stderr)\n    time.sleep(60)\n",
        WHEELHOUSE_CACHE=str(store.root),
    )
    assert first_line(build) == "held\n"
    done = cli("cache", "--prune", WHEELHOUSE_CACHE=str(store.root))
    assert done.status == 0
    assert "2 stay, for a build runs" in done.stderr
    assert [path.exists() for path in idle] == [True, False, True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prune", "--keep", "soon"), "soon is no duration."),
        (("--prune", "--max", "5 apples"), "5 apples is no size."),
        (("--keep", "3d"), "Add --prune."),
    ],
)
def test_wrong_words_remove_nothing(
    cli: Cli, store: Store, idle: list[Path], words: tuple[str, ...], said: str
) -> None:
    done = cli("cache", *words, WHEELHOUSE_CACHE=str(store.root))
    assert done.status == Kind.USAGE
    assert said in done.stderr
    assert all(path.exists() for path in idle)
