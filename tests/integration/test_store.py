from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.support.running import Task, Until, first_line
from wheelhouse.common.errors import Kind

PREPARE = """
from wheelhouse.common.store import Entry, Store
def make(folder):
    {make}
print(Store.default().get_or_make(Entry("things", "thing", "0" * 64), make, resume={resume}))
"""

STEPS = 6


def made(make: str, resume: bool = False) -> str:
    return PREPARE.format(make=make.strip().replace("\n", "\n    "), resume=resume)


def compiled(rules: Path) -> str:
    """The code of a task that compiles a copy of ``rules`` and goes on with it."""
    return made(
        f"""
import shutil
from wheelhouse.compile import ninja
shutil.copyfile({str(rules)!r}, folder / "build.ninja")
ninja.build(folder, "Compiling thing", Store.default().log("thing"), {{}})
""",
        resume=True,
    )


def test_of_two_builds_at_once_one_makes_and_the_other_waits_and_uses_it(
    task: Task, until: Until, tmp_path: Path
) -> None:
    go_on, runs = tmp_path / "go-on", tmp_path / "runs"
    code = made(f"""
import time
with Path({str(runs)!r}).open("a") as record: record.write("run ")
(folder / "half").write_text("")
while not Path({str(go_on)!r}).exists(): time.sleep(0.01)
(folder / "out").write_text("whole")
""")
    cache = tmp_path / "cache"
    first = task(code, WHEELHOUSE_CACHE=str(cache))
    until(lambda: list(cache.rglob("half")))
    second = task(code, WHEELHOUSE_CACHE=str(cache))
    said = first_line(second)
    assert not list(cache.rglob("out"))
    go_on.touch()
    outputs = [process.communicate(timeout=60)[0].strip() for process in (first, second)]
    assert said == "thing is being made by another build; waiting for it\n"
    assert outputs[0] == outputs[1]
    assert (Path(outputs[0]) / "out").read_text() == "whole"
    assert runs.read_text() == "run "


def test_a_build_whose_maker_is_killed_is_taken_over_by_the_one_that_waits(
    task: Task, until: Until, tmp_path: Path
) -> None:
    code = made("""
import time
if not Path(folder, "..", "seen").exists():
    Path(folder, "..", "seen").touch()
    (folder / "half").write_text("")
    time.sleep(60)
(folder / "out").write_text("whole")
""")
    first = task(code, WHEELHOUSE_CACHE=str(tmp_path))
    until(lambda: list(tmp_path.rglob("half")))
    second = task(code, WHEELHOUSE_CACHE=str(tmp_path))
    assert "waiting" in first_line(second)
    os.killpg(first.pid, signal.SIGKILL)
    out, _ = second.communicate(timeout=60)
    assert [path.name for path in Path(out.strip()).iterdir()] == ["out"]


def test_a_killed_compile_goes_on_from_where_it_was(
    task: Task, until: Until, tmp_path: Path
) -> None:
    """Six steps in a row; each says that it ran, and the third waits to be killed."""
    cache, gate, ran = tmp_path / "cache", tmp_path / "gate", tmp_path / "ran"
    rules = tmp_path / "build.ninja"
    rules.write_text(
        "rule step\n"
        f"  command = echo $out >> {ran}; "
        f"while [ $out = 3 ] && [ ! -e {gate} ]; do sleep 0.01; done; touch $out\n"
        + "".join(f"build {n}: step {n - 1 or ''}\n" for n in range(1, STEPS + 1))
    )
    code = compiled(rules)
    killed = task(code, WHEELHOUSE_CACHE=str(cache))
    until(lambda: ran.is_file() and ran.read_text().endswith("3\n"))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (partial,) = (cache / "things").iterdir()
    assert partial.suffix == ".partial"
    gate.touch()
    again = task(code, WHEELHOUSE_CACHE=str(cache))
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert ran.read_text().split() == ["1", "2", "3", "3", "4", "5", "6"]
    folder = Path(out.strip())
    assert {str(n) for n in range(1, STEPS + 1)} <= {path.name for path in folder.iterdir()}
    assert not partial.exists()


def test_an_interrupted_compile_says_how_to_go_on(task: Task, until: Until, tmp_path: Path) -> None:
    # A shell that is about to start a program loses the signal; the program itself does not.
    job = tmp_path / "job.py"
    job.write_text('import time\nopen("started", "w").close()\ntime.sleep(60)\n')
    rules = tmp_path / "build.ninja"
    rules.write_text(f"rule step\n  command = {sys.executable} {job}\nbuild 1: step\n")
    code = f"""
from wheelhouse.compile import ninja
ninja.build(Path({str(tmp_path)!r}), "Compiling", Path({str(tmp_path / "log")!r}), {{}})
"""
    process = task(code)
    until((tmp_path / "started").exists)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in err
    assert "Traceback" not in err


def test_a_compile_on_a_full_disk_goes_on_once_there_is_space(
    task: Task, small_disk: list[str], tmp_path: Path
) -> None:
    ran, rules = tmp_path / "ran", tmp_path / "build.ninja"
    cache = tmp_path / "cache"
    cache.mkdir()
    rules.write_text(
        f"rule step\n  command = echo $out >> {ran}; head -c $size /dev/zero > $out\n"
        "build 1: step\n  size = 1000\nbuild 2: step 1\n  size = 3000000\n"
    )
    process = task(compiled(rules), through=small_disk, WHEELHOUSE_CACHE=str(cache))
    out, err = process.communicate(timeout=60)
    full, enlarged = err.split("---\n")
    assert f"error: The disk that holds {cache} is full." in full
    assert "Traceback" not in full
    assert "error" not in enlarged
    assert [line for line in out.splitlines() if "status" in line] == [
        f"status {Kind.DISK}",
        "status 0",
    ]
    assert ran.read_text().split() == ["1", "2", "2"]
