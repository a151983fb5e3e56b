"""Tests in two tiers: small projects whose tests pytest really runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import REPO
from tests.support.running import Task
from wheelhouse.common import costs
from wheelhouse.common.costs import Cost
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.testing import shards, tiers
from wheelhouse.testing.tiers import Wanted

ALL = Wanted(everything=True)
FILES = {
    "pyproject.toml": f"[tool.pytest.ini_options]\npythonpath = ['{REPO}']\n",
    "README.md": "What this is.",
    "tests/conftest.py": """
import os
from pathlib import Path
import pytest
pytest_plugins = ("tests.support.tiers",)
@pytest.fixture(autouse=True)
def noted(request):
    with open(os.environ["PYTEST_RAN"], "a") as file:
        file.write(request.node.name + "\\n")
@pytest.fixture(scope="session")
def universal(): return "universal"
@pytest.fixture(scope="session")
def newest(): return "newest"
@pytest.fixture
def wheel(request): return request.getfixturevalue(request.param.partition("-")[0])
""",
    "tests/integration/test_one.py": """
import os, time
import pytest
def test_one(): pass
def test_two(): assert "PYTEST_FAIL" not in os.environ
def test_three():
    while "PYTEST_WAIT" in os.environ: time.sleep(0.1)
def test_four(): pytest.skip("for a reason")
""",
    "tests/emulated/test_other.py": """
import pytest
@pytest.mark.parametrize("wheel", ["universal", "newest-cp37"], indirect=True)
def test_wheel(wheel): pass
def test_newest(newest): pass
""",
}
RUN = """
from wheelhouse.common.store import Store
from wheelhouse.testing import tiers
tiers.run(tiers.Wanted(everything=True), Store.default(), Path({project!r}))
"""

Ran = Callable[[], list[str]]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout with six tests."""
    folder = tmp_path / "small"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The names of the tests that ran since this was called last, sorted.

    Runs of this process take one processor, for it takes pytest longer to begin on several.
    """
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    log = tmp_path / "ran"
    log.touch()
    monkeypatch.setenv("PYTEST_RAN", str(log))

    def told() -> list[str]:
        names = sorted(log.read_text().split())
        log.write_text("")
        return names

    return told


def rows(out: str) -> list[list[str]]:
    """The cells of all tables."""
    lines = [line for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_what_runs_natively_is_first_and_its_failure_ends_the_rest(
    small: Path, store: Store, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small / "tests/emulated/test_native.py").write_text("""
import os
import pytest
@pytest.fixture
def pc(): return "pc"
def test_pc(pc): assert "PYTEST_FAIL_PC" not in os.environ
""")
    monkeypatch.setenv("PYTEST_FAIL_PC", "1")
    with pytest.raises(WheelhouseError, match=r"status 1; 7 tests did not run"):
        tiers.run(ALL, store, small)
    assert ran() == ["test_pc"]
    monkeypatch.delenv("PYTEST_FAIL_PC")
    tiers.run(ALL, store, small)
    assert len(ran()) == 8
    tiers.run(Wanted(), store, small)  # the first tier compiles nothing for it
    assert "test_pc" not in ran()


def test_the_table_tells_what_was_tried_what_was_not_and_why(
    small: Path,
    store: Store,
    ran: Ran,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTEST_FAIL", "1")
    with pytest.raises(WheelhouseError) as caught:
        tiers.run(Wanted(), store, small)
    assert caught.value.kind is Kind.OTHER
    assert ran() == ["test_four", "test_one", "test_three", "test_two", "test_wheel[universal]"]
    assert rows(capfd.readouterr().out) == [
        ["integration", "2", "0", "1", "1", "0.0"],
        ["the universal wheel", "1", "0", "0", "0", "0.0"],
        ["integration", "for a reason", "1"],
        ["the newest TFLite", "./inv test --all", "2"],
    ]
    monkeypatch.delenv("PYTEST_FAIL")
    tiers.run(ALL, store, small)  # what passed in the first tier counts
    assert ran() == ["test_four", "test_newest", "test_two", "test_wheel[newest-cp37]"]
    assert rows(capfd.readouterr().out) == [
        ["integration", "1", "2", "0", "1", "0.0"],
        ["the universal wheel", "0", "1", "0", "0", "0.0"],
        ["the newest TFLite", "2", "0", "0", "0", "0.0"],
        ["integration", "for a reason", "1"],
    ]
    (small / "README.md").write_text("Something else.")
    tiers.run(ALL, store, small)
    assert ran() == ["test_four"]
    (small / "tests/emulated/test_other.py").write_text(
        FILES["tests/emulated/test_other.py"] + "# changed\n"
    )
    tiers.run(ALL, store, small)
    assert ran() == ["test_four", "test_newest", "test_wheel[newest-cp37]", "test_wheel[universal]"]


def test_a_suite_that_is_not_wanted_is_told_with_its_command_and_not_listed(
    small: Path, store: Store, ran: Ran, capfd: pytest.CaptureFixture[str]
) -> None:
    (small / "tests/emulated/test_other.py").write_text("import nothing_of_this_name")
    (small / "tests/integration/test_one.py").write_text("def test_one(): pass")
    tiers.run(Wanted(("integration",)), store, small)
    assert ran() == ["test_one"]
    assert rows(capfd.readouterr().out) == [
        ["integration", "1", "0", "0", "0", "0.0"],
        ["unit", "./inv test --all --only unit", "all"],
        ["emulated", "./inv test --all --only emulated", "all"],
    ]


def test_two_shards_have_each_test_once(
    small: Path, store: Store, ran: Ran, capfd: pytest.CaptureFixture[str]
) -> None:
    found = []
    for number in (1, 2):
        tiers.run(Wanted(everything=True, shard=(number, 2)), store, small)
        found.append(ran())
        out = capfd.readouterr().out
        assert f"Shards of 2 that ran: {number}\n" in out
        assert any(f"./inv test --all --shard {3 - number}/2" in row for row in rows(out))
    assert all(found)
    assert sorted(found[0] + found[1]) == [
        *("test_four", "test_newest", "test_one", "test_three", "test_two"),
        *("test_wheel[newest-cp37]", "test_wheel[universal]"),
    ]


def test_shards_run_one_after_another_as_long_as_they_fit(
    small: Path, store: Store, ran: Ran, capfd: pytest.CaptureFixture[str]
) -> None:
    noted = {"integration-test_one-integration": 540, "emulated-test_other-newest": 60}
    for label, seconds in {**noted, "emulated-test_other-universal": 60}.items():
        costs.note(store, shards.TESTS, label, Cost(seconds, seconds))
    tiers.run(Wanted(everything=True, shard=(1, 2), minutes=4), store, small)
    assert ran() == []  # even the shorter shard needs wheels, and the compile of their core
    told = capfd.readouterr()
    assert "Shards of 2 that ran: none\n" in told.out
    assert "Shard 1: 4 of 4 tests, 11 minutes expected, 4 left" in told.err
    assert [row[1:] for row in rows(told.out)] == [
        ["./inv test --all --shard 1/2", "4"],
        ["./inv test --all --shard 2/2", "1"],
        ["./inv test --all --shard 2/2", "2"],
    ]
    tiers.run(Wanted(everything=True, shard=(2, 2), minutes=12), store, small)
    assert ran() == ["test_four", "test_one", "test_three", "test_two"]
    assert "Shards of 2 that ran: 1\n" in capfd.readouterr().out


def passed(store: Store, test: str) -> bool:
    return any(test in path.read_text() for path in store.root.glob("results/*/*.json"))


def test_an_interrupted_run_goes_on(small: Path, store: Store, ran: Ran, task: Task) -> None:
    code = RUN.format(project=str(small))
    process = task(code, WHEELHOUSE_CACHE=str(store.root), PYTEST_WAIT="1")
    while process.poll() is None and not passed(store, "test_two"):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == Kind.INTERRUPTED
    assert "Interrupted." in err
    (untried,) = (row[2] for row in rows(out) if row[:2] == ["integration", "./inv test --all"])
    assert untried in ("2", "3")  # what has just ended may be remembered and not yet told
    assert {"test_one", "test_two"} <= {*ran()}
    again = task(code, WHEELHOUSE_CACHE=str(store.root))
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert not {"test_one", "test_two"} & {*ran()}


def test_two_runs_at_once_do_not_disturb_each_other(
    small: Path, store: Store, ran: Ran, task: Task
) -> None:
    code = RUN.format(project=str(small))
    both = [task(code, WHEELHOUSE_CACHE=str(store.root)) for _ in range(2)]
    ends = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert ran()
    tiers.run(ALL, store, small)
    assert ran() == ["test_four"]


def test_a_store_that_cannot_be_written_is_a_warning(
    small: Path, store: Store, ran: Ran, task: Task, small_disk: list[str]
) -> None:
    """A full disk, and then a larger one."""
    store.root.mkdir()
    fill = """
filler = Store.default().root / "filler"
if not filler.exists():
    try:
        with filler.open("wb") as file:
            while True: file.write(b"0" * 4096); file.flush()
    except OSError: pass
"""
    head, _, call = RUN.strip().rpartition("\n")
    process = task(
        f"{head}\n{fill.strip()}\n{call.format(project=str(small))}",
        through=small_disk,
        WHEELHOUSE_CACHE=str(store.root),
    )
    out, err = process.communicate(timeout=300)
    full, _, larger = err.partition("---\n")
    assert out.count("status 0\n") == 2, err
    assert full.count("What passed is not remembered") == 1
    assert "No space left on device" in full
    assert "warning" not in larger


def test_who_alone_is_interrupted_interrupts_what_it_started(task: Task) -> None:
    child = """
import time
print("begun", flush=True)
try: time.sleep(60)
except KeyboardInterrupt: print("ended", flush=True)
"""
    process = task(
        "import sys\nfrom wheelhouse.common import process\nprocess._PATIENCE = 0.1\n"
        f"process.show([sys.executable, '-c', {child!r}], cwd=Path('.'))"
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("ended\n", Kind.INTERRUPTED)
