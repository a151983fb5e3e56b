from __future__ import annotations

import os
from pathlib import Path

import pytest

from wheelhouse.common import process, surroundings
from wheelhouse.common.errors import WheelhouseError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with no setting of pip or Python at all."""
    for name in os.environ:
        if name.startswith(("PIP_", "PYTHON", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    (tmp_path / ".config/pip").mkdir(parents=True)
    return tmp_path


def settings(home: Path, **environ: str) -> dict[str, str]:
    known = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg"), **environ}
    found = surroundings.pip_settings(known, str(home / "venv"))
    return {key: value for key, value in found.items() if str(home) in value}


def test_where_packages_come_from_is_kept_and_how_they_are_installed_is_not(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text(
        f"[global]\nindex-url = {home}/i\nuser = {home}\nproxy={home}/p\n"
        f"[install]\ntarget = {home}\ntrusted_host = {home}/h\n[list]\ncert = {home}\n"
    )
    expected = {"index-url": f"{home}/i", "proxy": f"{home}/p", "trusted-host": f"{home}/h"}
    assert settings(home) == expected
    env = {"PIP_CLIENT_CERT": f"{home}/c", "PIP_CONSTRAINT": f"{home}/x", "PIP_PROXY": f"{home}/q"}
    more = {"client-cert": f"{home}/c", "proxy": f"{home}/q"}
    assert settings(home, **env) == {**expected, **more}


def test_files_count_as_pip_orders_them(home: Path) -> None:
    for name in ("xdg", "", ".config", "venv", "named"):
        path = home / {"": ".pip", "venv": "venv"}.get(name, f"{name}/pip") / "pip.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[global]\nclient-cert = {home}/{name}\n")
        env = {"PIP_CONFIG_FILE": str(path)} if name == "named" else {}
        assert settings(home, **env) == {"client-cert": f"{home}/{name}"}
    assert settings(home, PIP_CONFIG_FILE=os.devnull) == {}
    assert settings(home, PIP_CONFIG_FILE=f"{home}/none") == {"client-cert": f"{home}/venv"}
    (home / ".config/pip/pip.conf").write_text(f"[install]\nclient-cert = {home}/install\n")
    assert settings(home) == {"client-cert": f"{home}/install"}


def test_several_values_on_lines_of_their_own_are_kept(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text(
        f"[global]\nextra-index-url =\n  {home}/a\n  {home}/b\n"
    )
    assert settings(home)["extra-index-url"].split() == [f"{home}/a", f"{home}/b"]


def test_a_file_that_pip_could_not_read_either_is_named(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text("index-url\n")
    with pytest.raises(WheelhouseError, match=r"pip's configuration .*pip\.conf") as failure:
        process.run(["true"])
    assert failure.value.hint == "Correct that file."


def test_other_programs_see_where_things_are_and_nothing_that_steers_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"HTTPS_PROXY": "p", "no_proxy": "n", "SSL_CERT_FILE": "s", "AWS_PROFILE": "a"}
    kept |= {"WHEELHOUSE_JOBS": "1", "PIP_INDEX_URL": "i", "TMPDIR": str(home)}
    left = "CC CXX CFLAGS CXXFLAGS LDFLAGS CPATH C_INCLUDE_PATH LIBRARY_PATH CMAKE_PREFIX_PATH"
    left += " NINJA_STATUS ZIG_LIB_DIR MAKEFLAGS SOURCE_DATE_EPOCH LANG PYTHONPATH PYTHONHOME"
    left += " CCACHE_DIR SCCACHE_CONF SCCACHE_DIR SCCACHE_SERVER_UDS SCCACHE_RECACHE"
    left += " PIP_TARGET PIP_USER ruy_ROOT DESTDIR NIX_CFLAGS_COMPILE CCC_OVERRIDE_OPTIONS"
    for name, value in {**kept, **dict.fromkeys(left.split(), "x")}.items():
        monkeypatch.setenv(name, value)
    seen = dict(line.split("=", 1) for line in process.run(["env"]).stdout.splitlines())
    assert {name: seen.get(name) for name in kept} == kept
    assert not {*left.split()} & {*seen}
    assert (seen["LC_ALL"], seen["TZ"]) == ("C.UTF-8", "UTC")


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("a\nx.c:1: error: bad\nx.c:2: error: worse", "x.c:1: error: bad"),
        ("CMake Error at a.cmake:1 (message):\n\n  too old\n\nmore", "CMake Error at a.cmake:1 "
         "(message): too old"),
        ("W: slow\nE: No such suite", "No such suite"),
        ("[1/2] cc\nFAILED: [code=127] a.o\ncc -c 'b error: c'\nsh: 1: cc: not found\n"
         "ninja: build stopped: subcommand failed.", "sh: 1: cc: not found"),
        ("FAILED: [code=137] a.o\ncc -c a.c\nninja: build stopped: x", "FAILED: [code=137] a.o"),
        ("Traceback\n  x\nValueError: no\n\n", "ValueError: no"),
        ("", "exit status 3"),
    ],
)  # fmt: skip
def test_the_first_error_is_quoted_or_what_was_said_last(
    tmp_path: Path, said: str, quoted: str
) -> None:
    log = tmp_path / "a.log"
    error = process.failure("It failed", process.Completed(3, "", said), log, "Mend it.")
    assert error.what == f"It failed: {quoted}"
    assert error.hint == f"Mend it. The whole log is {log}."
    assert log.read_text() == said


def test_a_signal_is_named(tmp_path: Path) -> None:
    done = process.run(["sh", "-c", "echo All is well; kill -KILL $$"])
    error = process.failure("It failed", done, tmp_path / "a.log", "Mend it.")
    assert error.what == "It failed: it was ended by SIGKILL"


def test_a_program_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    Path(tmp_path / "it").write_text("")
    for command, what in ((tmp_path / "it", "cannot be started"), ("no-such", "is missing")):
        with pytest.raises(WheelhouseError, match=what):
            process.run([command])
