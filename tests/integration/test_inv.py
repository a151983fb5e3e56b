"""The command ``./inv``: .venv, words, and surroundings that are not what one expects."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.wheels import wheel
from wheelhouse.common.errors import Kind
from wheelhouse.common.store import file_digest

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


ODD = "a b'c\"d$e#f%g:h=i;j&äß"
"""The name of a folder that every character of a shell, ninja, CMake or pip is in."""

NOBODY = 12345
"""A user without an entry in passwd."""


@pytest.fixture
def inv(repo: Path, tmp_path: Path) -> Run:
    """Run ``inv`` in a folder where .venv is there already and its Python only says its words."""
    return stub(repo, tmp_path)


def stub(repo: Path, folder: Path) -> Run:
    folder.mkdir(exist_ok=True)
    for name in ("inv", "requirements.lock"):
        shutil.copy(repo / name, folder / name)
    shutil.copytree(repo / "wheelhouse/common", folder / "wheelhouse/common")
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\ncase $2 in -c) ;; *) printf "%s\\n" "$@" ;; esac\n')
    python.chmod(0o755)
    shutil.copy(repo / "requirements.lock", folder / ".venv")

    def run(*words: str, command: Sequence[str | Path] = (), **env: str) -> Done:
        return subprocess.run(
            [*(command or [folder / "inv"]), *words],
            env={"PATH": "/usr/bin:/bin", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def program(folder: Path) -> list[str]:
    return ["-I", "-X", "utf8", f"{folder}/wheelhouse/program.py"]


def test_wheel_files_become_options(inv: Run, tmp_path: Path) -> None:
    said = inv("verify", "a b.whl", "--wheel", "c.whl", "-w", "d.whl", "e.whl").stdout.splitlines()
    words = ["verify", "--wheel=a b.whl", "--wheel", "c.whl", "-w", "d.whl", "--wheel=e.whl"]
    assert said == [*program(tmp_path), *words]


def test_other_words_go_through_as_they_are(inv: Run, tmp_path: Path) -> None:
    words = ["build", "--py", "3.9,3.11", "--sources", "a folder", "--no-verify"]
    assert inv(*words).stdout.splitlines() == [*program(tmp_path), *words]


def test_a_python_that_is_too_old_is_named(inv: Run, tmp_path: Path) -> None:
    (tmp_path / ".venv/requirements.lock").unlink()
    done = inv("build", PYTHON="/bin/false")
    assert done.returncode == Kind.MACHINE
    assert "Python 3.10 or newer is needed; /bin/false is older or missing." in done.stderr
    assert "next: " in done.stderr


def test_requirements_that_cannot_be_had_leave_no_half_made_environment(
    inv: Run, tmp_path: Path
) -> None:
    """A folder that was carried here, but without its wheels, on a machine without a network."""
    (tmp_path / ".venv/requirements.lock").unlink()
    (tmp_path / "carried/python").mkdir(parents=True)
    for _ in range(2):
        done = inv("build", "--sources", str(tmp_path / "carried"), PYTHON=sys.executable)
        assert done.returncode == Kind.FETCH
        assert "error: The locked requirements could not be installed: " in done.stderr
        assert "next: Make the folder again" in done.stderr
        assert f"The whole log is {tmp_path}/.venv.log." in done.stderr


def test_it_is_found_through_a_link_and_whatever_cdpath_says(repo: Path, tmp_path: Path) -> None:
    run = stub(repo, tmp_path / ODD)
    (tmp_path / "links").mkdir()
    (tmp_path / "links/inv").symlink_to(tmp_path / "links/other")
    (tmp_path / "links/other").symlink_to(f"../{ODD}/inv")
    done = run("matrix", command=[tmp_path / "links/inv"])
    assert done.stdout.splitlines() == [*program(tmp_path / ODD), "matrix"]
    inside = ["sh", "-c", 'cd "$1" && ./inv matrix', "sh", tmp_path / ODD]
    done = run(command=inside, CDPATH=str(tmp_path))
    assert done.stdout.splitlines() == [*program(tmp_path / ODD), "matrix"]


@pytest.fixture
def lock_of_one(tmp_path: Path) -> tuple[Path, str]:
    """A folder to be given as --sources whose Python requirements are a module named invoke."""
    wheels = tmp_path / f"carried {ODD}" / "python"
    module = {"invoke.py": "", "invoke/__init__.py": None}
    digest = file_digest(wheel(wheels, "invoke", "9.0", replaced=module))
    return wheels.parent, f"invoke==9.0 --hash=sha256:{digest}\n"


@dataclass(frozen=True)
class Checkout:
    """A checkout and what runs its ``inv``."""

    folder: Path
    start: Callable[..., subprocess.CompletedProcess[str]]

    def __call__(self, *words: object, **options: object) -> subprocess.CompletedProcess[str]:
        return self.start(*words, **options)


@pytest.fixture
def small(repo: Path, tmp_path: Path, lock_of_one: tuple[Path, str]) -> Checkout:
    """A checkout in a folder of an odd name whose locked requirements take a second to install.

    What it starts tells the environment that reaches it.
    """
    carried, lock = lock_of_one
    folder = tmp_path / ODD
    run = stub(repo, folder)
    shutil.rmtree(folder / ".venv")
    (folder / "requirements.lock").write_text(lock)
    (folder / "wheelhouse/program.py").write_text(
        "import sys, invoke; print(invoke.__file__, sys.flags.isolated)"
    )

    def start(*words: str, through: Sequence[str | Path] = (), **env: str) -> Done:
        options = {"PYTHON": sys.executable, "HOME": str(tmp_path / "home"), **env}
        command = [*through, folder / "inv", "build", "--sources", carried]
        return run(*words, command=command, **options)

    return Checkout(folder, start)


def made(small: Checkout, done: Done) -> bool:
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{small.folder}/.venv/lib/"), done.stdout
    return "Making .venv" in done.stderr


PATHS = (
    *("PIP_PYTHON", "PIP_LOG", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_CONSTRAINT"),
    *("PIP_REQUIREMENT", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE"),
    *("PYTHONIOENCODING", "PYTHONUTF8", "PYTHONPLATLIBDIR", "PYTHONMALLOC", "PYTHONHASHSEED"),
    *("LC_ALL", "TZ"),
)
SWITCHES = (
    *("PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_QUIET", "PYTHONSAFEPATH", "PYTHONINSPECT"),
    *("PYTHONOPTIMIZE", "PYTHONDONTWRITEBYTECODE", "PYTHONNOUSERSITE"),
)
HOSTILE = {
    **dict.fromkeys(PATHS, "/nowhere"),
    **dict.fromkeys(SWITCHES, "1"),
    "PIP_NO_BINARY": ":all:",
    "PYTHONWARNINGS": "error",
}


def test_settings_of_pip_and_python_do_not_reach_it(small: Checkout, tmp_path: Path) -> None:
    home, site = tmp_path / "home", small.folder / ".venv"
    places = (home / ".config/pip", home / ".pip", tmp_path / "xdg/pip")
    for folder in places:
        folder.mkdir(parents=True)
        text = "[global]\nuser = true\nno-binary = :all:\n[install]\ntarget = /x\n"
        (folder / "pip.conf").write_text(text)
    shutil.copy(places[0] / "pip.conf", tmp_path / "named.conf")
    assert made(small, small(XDG_CONFIG_DIRS=str(tmp_path / "xdg"), **HOSTILE))
    shutil.copy(tmp_path / "named.conf", site / "pip.conf")
    (site / "requirements.lock").unlink()
    assert made(small, small(PIP_CONFIG_FILE=str(tmp_path / "named.conf"), **HOSTILE))
    assert not made(small, small(**HOSTILE))


def test_a_file_of_pips_configuration_that_cannot_be_read_is_told(
    small: Checkout, tmp_path: Path
) -> None:
    (tmp_path / "bad.conf").write_text("index-url\n")
    done = small(PIP_CONFIG_FILE=str(tmp_path / "bad.conf"))
    assert done.returncode == Kind.FETCH
    assert "pip's configuration cannot be read: " in done.stderr
    assert "bad.conf" in done.stderr


def test_what_another_python_left_is_made_again(small: Checkout) -> None:
    made(small, small())
    python = small.folder / ".venv/bin/python"
    for path in python.parent.glob("python*"):
        path.unlink()
    python.symlink_to("/nowhere/python3")
    assert made(small, small())
    for path in (small.folder / ".venv/lib").glob("python3*"):
        path.rename(path.with_name("python3.1"))
    assert made(small, small())
    assert not made(small, small())


def test_a_link_to_the_environment_of_another_checkout_is_replaced_not_emptied(
    small: Checkout, tmp_path: Path
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/kept").write_text("")
    (small.folder / ".venv").symlink_to(tmp_path / "theirs")
    assert made(small, small())
    assert (tmp_path / "theirs/kept").exists()


def test_a_checkout_that_was_moved_goes_on(small: Checkout) -> None:
    made(small, small())
    new = small.folder.with_name("moved ö")
    small.folder.rename(new)
    done = subprocess.run([new / "inv", "matrix"], capture_output=True, text=True, check=False)
    assert done.stdout == f"{next((new / '.venv/lib').glob('*/site-packages'))}/invoke.py 1\n"


# The project itself


@pytest.fixture
def real(repo: Path) -> Run:
    """Run this checkout's own ``inv``; ``where`` is more of the shell's line, as in ``>&-``."""

    def run(*words: str, where: str = "", through: Sequence[str | Path] = (), **env: str) -> Done:
        line = f'exec "$@" {where}'
        return subprocess.run(
            [*through, "bash", "-c", line, "bash", repo / "inv", *words],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("words", [["--list"], ["matrix"], ["--help", "build"]], ids=str)
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_standard_output_that_takes_nothing_ends_in_one_line(
    real: Run, where: str, words: list[str]
) -> None:
    done = real(*words, where=where)
    assert done.returncode == Kind.OTHER
    reason = "is closed" if "&" in where else "cannot be written: No space left on device"
    assert done.stderr == f"error: Standard output {reason}.\n"


def test_a_reader_that_leaves_ends_it_in_one_line(repo: Path) -> None:
    """As in ``inv matrix | head -0``."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [repo / "inv", "matrix"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.returncode == Kind.OTHER
    assert done.stderr == "error: Standard output cannot be written: Broken pipe.\n"


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_standard_error_that_takes_nothing_ends_it_at_its_first_word(real: Run, where: str) -> None:
    done = real("reproduce", "missing", where=where)
    assert (done.returncode, done.stdout, done.stderr) == (Kind.OTHER, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch"], "No idea what 'nosuch' is!"),
        (["nosuch", "--help"], "No idea what 'nosuch' is!"),
        (["build", "--nosuch"], "No idea what '--nosuch' is!"),
        (["build", "--py"], "--py needed value and was not given one!"),
        (["reproduce"], "'reproduce' did not receive required positional arguments: 'wheel'"),
    ],
)
def test_words_that_it_does_not_know_are_told_in_one_line(
    real: Run, words: list[str], said: str
) -> None:
    done = real(*words)
    assert done.returncode == Kind.USAGE
    assert done.stderr == f"error: {said} (`./inv --list`, `./inv --help TASK`)\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("task", ["build", "make", "reproduce"])
def test_help_may_be_asked_for_after_a_task(real: Run, task: str, flag: str) -> None:
    done = real(task, flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == real("--help", task).stdout
    assert done.stdout.startswith(f"Usage: ./inv [--core-opts] {task}")


def test_without_words_it_shows_every_task_once_and_the_two_commands_first(real: Run) -> None:
    done = real()
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.findall(r"^  \./inv (\S+) +[A-Z].*\.$", done.stdout, re.MULTILINE)
    listed = re.findall(r"^  ([a-z-]+) ", real("--list").stdout, re.MULTILINE)
    assert shown[:2] == ["build", "test"]
    assert sorted(shown) == sorted(listed)


def test_a_wheel_that_is_not_there_is_told(real: Run, tmp_path: Path) -> None:
    done = real("reproduce", "missing.whl", WHEELHOUSE_CACHE=str(tmp_path))
    assert done.returncode == Kind.USAGE
    assert done.stderr.startswith("error: There is no file missing.whl.\nnext: ")


def test_invokes_own_configuration_is_not_read(real: Run, tmp_path: Path) -> None:
    (tmp_path / ".invoke.yaml").write_text("tasks: {collection_name: other}\nrun: {dry: true}\n")
    done = real("matrix", HOME=str(tmp_path), INVOKE_TASKS_COLLECTION_NAME="other")
    assert done.returncode == 0
    assert "TFLite" in done.stdout


def test_modules_in_the_current_folder_are_not_taken_for_its_own(
    repo: Path, tmp_path: Path
) -> None:
    for name in ("invoke", "rich", "tasks", "random", "wheelhouse"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')")
    command: list[str | Path] = [repo / "inv", "matrix"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def nobody() -> tuple[str, ...]:
    """Start a command as a user whom passwd does not know, without HOME or any right to write."""
    if not shutil.which("bwrap"):
        pytest.skip("bwrap is missing")
    user = ("--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY))
    shared = tempfile.gettempdir()
    places = ("--ro-bind", "/", "/", "--dev", "/dev", "--bind", shared, shared)
    return ("bwrap", *user, *places, "--clearenv", "--setenv", "PATH", "/usr/bin:/bin")


def test_a_user_without_name_home_and_right_to_write_can_use_a_ready_checkout(
    real: Run, nobody: tuple[str, ...], tmp_path: Path
) -> None:
    done = real("matrix", through=nobody)
    assert done.returncode == 0, done.stderr
    assert "TFLite" in done.stdout
    done = real("sources", "--offline", through=nobody)
    assert done.returncode == Kind.MACHINE
    assert done.stderr == (
        "error: This user has no home folder to put the cache in.\n"
        "next: Set WHEELHOUSE_CACHE to a folder for the cache.\n"
    )
    done = real("build", "--offline", through=(*nobody, "--setenv", "WHEELHOUSE_CACHE", tmp_path))
    assert done.returncode == Kind.MACHINE
    assert done.stderr.startswith("error: This user cannot write into ")


def test_such_a_user_makes_an_environment_where_it_can_be_written(
    small: Checkout, nobody: tuple[str, ...]
) -> None:
    through = (*nobody, "--setenv", "PYTHON", sys.executable)
    done = small("matrix", through=(*through, "--ro-bind", small.folder, small.folder))
    assert done.returncode == Kind.MACHINE
    assert "this user cannot write there" in done.stderr
    assert "next: " in done.stderr
    assert made(small, small("matrix", through=(*through, "--bind", small.folder, small.folder)))


COMPILE = """
from dataclasses import replace
from wheelhouse.common import process
from wheelhouse.common.step import get_or_make
from wheelhouse.compile import ninja
from wheelhouse.compile.toolchain import Toolchain, toolchain
from wheelhouse.sources.fetch import Fetcher

fetcher = Fetcher.from_options()
store = fetcher.store
tools = Toolchain(get_or_make(toolchain("aarch64", "2.17"), fetcher))
cc = f"{ninja.LAUNCHER} {tools.cc}"
(store.root / "a.c").write_text("int a;")
rule = f"rule cc\\n command = {cc} -c $in -o $out\\nbuild a.o: cc a.c\\n"
(store.root / "build.ninja").write_text(rule)
own = replace(store, compilers=store.root / "zig")
ninja.build(store.root, "It", store.log("it"), ninja.environment(own), cached=store)
assert (store.root / "a.o").is_file()
print(process.run([*process.PYTHON, "pip", "--version"]).stdout)
"""


def test_a_user_without_a_home_compiles_and_downloads(
    nobody: tuple[str, ...], repo: Path, tmp_path: Path
) -> None:
    through = (*nobody, "--setenv", "WHEELHOUSE_CACHE", str(tmp_path), "--chdir", str(repo))
    done = subprocess.run(
        [*through, sys.executable, "-c", COMPILE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pip ")
