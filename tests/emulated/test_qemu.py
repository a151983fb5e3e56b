from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.support.compiler import compiler, environment
from wheelhouse.common import process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.machines import qemu, rootfs
from wheelhouse.targets import systems

PI = systems.board("Raspberry Pi 4")
BOARDS = [
    board
    for board in systems.table().boards
    if board.emulated and board.architecture.libc == "glibc"
]
ATOMICS = "import ctypes; print(ctypes.CDLL(None).getauxval(16) >> 8 & 1)"
"""Whether the kernel says that there are Arm's atomics: HWCAP_ATOMICS is bit 8."""


def tree_for(board: systems.Board) -> Path:
    return rootfs.tree(systems.system("bookworm", board.processor), Store.default())


@pytest.fixture(scope="module")
def tree() -> Path:
    return tree_for(PI)


@pytest.fixture(scope="module")
def counter() -> Path:
    return qemu.plugin(Store.default())


def python(code: str, tree: Path, work: Path, board: systems.Board = PI) -> qemu.Emulated:
    return qemu.run(["python3", "-c", code], tree=tree, board=board, work=work)


@pytest.mark.parametrize("board", BOARDS, ids=lambda each: each.name)
def test_the_system_looks_like_the_board(board: systems.Board, tmp_path: Path) -> None:
    code = (
        "import os;"
        "print(os.cpu_count());"
        "print(open('/sys/devices/system/cpu/possible').read().strip());"
        "print(open('/proc/cpuinfo').read(), end='')"
    )
    done = python(code, tree_for(board), tmp_path, board)
    assert done.stdout == f"4\n0-3\n{board.cpuinfo_text()}"


@pytest.mark.parametrize(
    "board", [each for each in BOARDS if each.processor == "aarch64"], ids=lambda each: each.name
)
def test_a_pi_has_the_atomics_of_its_cpuinfo(
    board: systems.Board, tree: Path, tmp_path: Path
) -> None:
    assert python(ATOMICS, tree, tmp_path, board).stdout == f"{int('atomics' in board.features)}\n"


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("PC without AVX", ["sse3", "ssse3", "sse4_1", "sse4_2"]),
        ("PC without SSE4", ["sse3"]),
    ],
)
def test_an_old_pc_refuses_the_instructions_that_it_lacks(
    name: str, has: list[str], tmp_path: Path
) -> None:
    """The program tells which instructions ran, and which its processor says that it has."""
    store, board = Store.default(), systems.board(name)
    program, source = tmp_path / "instructions", Path(__file__).with_name("instructions.c")
    done = process.run(
        [compiler(store, "x86_64").cc, "-O1", source, "-o", program], env=environment()
    )
    assert done.status == 0, done.stderr
    ran = qemu.run(["./instructions"], tree=tree_for(board), board=board, work=tmp_path)
    assert ran.stdout == f"ran {' '.join(has)}\nhas {' '.join(has)}\n", ran.stderr


def test_this_machines_processor_runs_its_own_programs_itself(tmp_path: Path) -> None:
    board = systems.board("PC")
    code = (
        "import os, platform, subprocess, sys;"
        "print(platform.machine(), os.path.exists('/emulator'), 'QEMU_CPU' in os.environ);"
        "print(subprocess.run([sys.executable, '-c', '']).returncode);"
        "print(open('/sys/devices/system/cpu/possible').read(), end='');"
        "print(open('/proc/cpuinfo').read().partition('flags')[2].partition(chr(10))[0])"
    )
    done = python(code, tree_for(board), tmp_path, board)
    machine, started, cpus, flags = done.stdout.splitlines()
    assert (machine, started) == ("x86_64 False False", "0")
    assert f"{cpus}\n" == Path("/sys/devices/system/cpu/possible").read_text()
    assert flags in Path("/proc/cpuinfo").read_text()
    crashed = python("import ctypes; ctypes.string_at(0)", tree_for(board), tmp_path, board)
    assert crashed.signal == "SIGSEGV"


def test_the_network_is_out_of_reach(tree: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        socket.create_connection(address).close()
        done = python(
            f"import socket; print(socket.if_nameindex()); socket.create_connection({address})",
            tree,
            tmp_path,
        )
    assert done.stdout == "[(1, 'lo')]\n"
    assert "ConnectionRefusedError" in done.stderr


def test_only_home_and_tmp_can_be_written(tree: Path, tmp_path: Path) -> None:
    refused = ("/", "/usr", "/etc", "/var", "/sys", "/emulator", "/wheels")
    code = (
        "from pathlib import Path\n"
        f"for folder in {[*refused, '/tmp', '.']}:\n"  # noqa: S108
        "    try: print(folder, Path(folder, 'note').write_text('hello'))\n"
        "    except OSError as error: print(folder, error.strerror)\n"
    )
    wheels = tmp_path / "wheels"
    work = tmp_path / "work"
    wheels.mkdir()
    work.mkdir()
    done = qemu.run(
        ["python3", "-c", code], tree=tree, board=PI, work=work, binds={wheels: "/wheels"}
    )
    expected = [f"{folder} Read-only file system" for folder in refused]
    assert done.stdout.splitlines() == [*expected, "/tmp 5", ". 5"]  # noqa: S108
    assert (work / "note").read_text() == "hello"
    assert (work / "note").stat().st_uid == os.getuid()


def test_it_runs_as_pi_without_this_machines_environment(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINE_PASSWORD", "secret")
    code = (
        "import getpass, os, sys; from pathlib import Path;"
        "print(getpass.getuser(), os.getuid(), Path.home(), os.getcwd(), os.environ['GIVEN']);"
        "sys.exit('TWINE_PASSWORD' in os.environ)"
    )
    done = qemu.run(
        ["python3", "-c", code], tree=tree, board=PI, work=tmp_path, env={"GIVEN": "a b"}
    )
    assert (done.status, done.stdout) == (0, "pi 1000 /home/pi /home/pi a b\n")


@pytest.mark.parametrize(
    ("code", "status", "signal"),
    [
        ("import ctypes; ctypes.string_at(0)", 139, "SIGSEGV"),
        ("import os; os.abort()", 134, "SIGABRT"),
        ("raise SystemExit(3)", 3, None),
    ],
)
def test_a_crash_can_be_told_from_a_failure(
    code: str, status: int, signal: str | None, tree: Path, tmp_path: Path
) -> None:
    done = python(code, tree, tmp_path)
    assert (done.status, done.signal) == (status, signal)
    assert not list(tmp_path.iterdir()), "no core dump is left"


def test_threads_and_forks_work(tree: Path, tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "print(list(ThreadPoolExecutor(4).map(sum, [range(n) for n in range(5)])), flush=True)\n"
        "child = os.fork()\n"
        "if not child: os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert python(code, tree, tmp_path).stdout == "[0, 0, 1, 3, 6]\n7\n"


def test_a_command_that_hangs_is_ended(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(WheelhouseError, match="1 s"):
        qemu.run(["sh", "-c", "while :; do :; done"], tree=tree, board=PI, work=tmp_path, timeout=1)


def test_instruction_counts_repeat_and_grow_with_the_work(
    tree: Path, tmp_path: Path, counter: Path
) -> None:
    def count(loops: int) -> int:
        script = f"i=0; while [ $i -lt {loops} ]; do i=$((i+1)); done"
        done = qemu.run(["sh", "-c", script], tree=tree, board=PI, work=tmp_path, counter=counter)
        return done.instructions[-1].total

    none, thousand, again, three = count(0), count(1000), count(1000), count(3000)
    assert thousand == again
    assert thousand - none > 100_000
    # three times the loops, three times the work
    assert (three - none) / (thousand - none) == pytest.approx(3, rel=0.02)


def test_instructions_of_all_threads_count(tree: Path, tmp_path: Path, counter: Path) -> None:
    def count(target: str) -> int:
        code = f"import threading; t=threading.Thread({target}); t.start(); t.join()"
        done = qemu.run(
            ["python3", "-c", code], tree=tree, board=PI, work=tmp_path, counter=counter
        )
        return done.instructions[-1].total

    work = count("target=sum, args=(range(200_000),)") - count("target=sum, args=(range(0),)")
    assert work > 2_000_000


def test_a_program_marks_places_and_kinds_are_told_apart(
    tree: Path, tmp_path: Path, counter: Path
) -> None:
    code = "import os; os.getppid(); sum(range(100_000)); os.getppid()"
    done = qemu.run(["python3", "-c", code], tree=tree, board=PI, work=tmp_path, counter=counter)
    before, after, end = done.instructions
    summed = after - before
    assert summed.total > 1_000_000
    assert summed.vector < summed.branch < summed.integer
    assert summed.memory > summed.branch
    assert before.total < after.total < end.total


def test_a_32_bit_program_marks_places(tmp_path: Path, counter: Path) -> None:
    code = "import os; os.getppid(); sum(range(100_000)); os.getppid()"
    board = systems.board("Raspberry Pi 2")
    done = qemu.run(
        ["python3", "-c", code],
        tree=tree_for(board),
        board=board,
        work=tmp_path,
        counter=counter,
    )
    before, after, end = done.instructions
    assert (after - before).total > 1_000_000
    assert before.total < after.total < end.total


def test_without_a_counter_nothing_is_counted(tree: Path, tmp_path: Path) -> None:
    assert python("pass", tree, tmp_path).instructions == ()
