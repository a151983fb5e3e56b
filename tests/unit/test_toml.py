"""Tables are loaded as they lie, by any thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import REPO

THREADS = """
import sys, threading, types
from pathlib import Path

from wheelhouse.common import toml

PARTS = range(5)
CODE = "from __future__ import annotations\\n"
CODE += "".join(f"class Part{n}(Table, frozen=True):\\n    a: int\\n" for n in PARTS)
CODE += "class Whole(Table, frozen=True):\\n"
CODE += "".join(f"    part_{n}: tuple[Part{n}, ...]\\n" for n in PARTS)

file = Path(sys.argv[1])
file.write_text("".join(f"[[part-{n}]]\\na = {n}\\n" for n in PARTS))
sys.setswitchinterval(1e-6)
for number in range(50):
    name = f"shapes_{number}"
    module = sys.modules[name] = types.ModuleType(name)
    module.Table = toml.Table
    exec(CODE, vars(module))
    barrier = threading.Barrier(4)

    def load():
        barrier.wait()
        assert toml.load(file, module.Whole).part_4[0].a == 4

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", *words],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_threads_load_a_table_of_a_new_shape_at_once(tmp_path: Path) -> None:
    done = python(THREADS, str(tmp_path / "table.toml"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_table_may_read_another_one() -> None:
    done = python("from wheelhouse.targets import matrix; print(matrix.targets()[0].processor)")
    assert (done.returncode, done.stdout) == (0, "aarch64\n")
