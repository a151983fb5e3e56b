import shutil
import subprocess

import pytest


@pytest.fixture
def inv(repo, tmp_path):
    """Run ``inv`` in a folder where .venv is there already and its Python only says its words."""
    for name in ("inv", "requirements.lock"):
        shutil.copy(repo / name, tmp_path / name)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    shutil.copy(repo / "requirements.lock", tmp_path / ".venv")

    def run(*words, **env):
        command = [tmp_path / "inv", *words]
        return subprocess.run(
            command,
            env={"PATH": "/usr/bin:/bin", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_wheel_files_become_options(inv):
    said = inv("verify", "a b.whl", "--wheel", "c.whl", "d.whl").stdout.splitlines()
    assert said[4:] == ["verify", "--wheel=a b.whl", "--wheel", "c.whl", "--wheel=d.whl"]


def test_other_words_go_through_as_they_are(inv, tmp_path):
    words = ["build", "--py", "3.9,3.11", "--sources", "a folder", "--no-verify"]
    assert inv(*words).stdout.splitlines() == [
        *("-m", "invoke", "--search-root", str(tmp_path)),
        *words,
    ]


def test_a_python_that_is_too_old_is_named(inv, tmp_path):
    (tmp_path / ".venv/requirements.lock").unlink()
    done = inv("build", PYTHON="/bin/false")
    assert done.returncode == 1
    assert "Python 3.10 or newer is needed; /bin/false is older or missing." in done.stderr
    assert "next: " in done.stderr


def test_requirements_that_cannot_be_had_leave_no_half_made_environment(inv, tmp_path):
    """A folder that was carried here, but without its wheels, on a machine without a network."""
    (tmp_path / ".venv/requirements.lock").unlink()
    (tmp_path / "carried/python").mkdir(parents=True)
    for _ in range(2):
        done = inv("build", "--sources", str(tmp_path / "carried"))
        assert done.returncode == 1
        assert "The locked requirements could not be installed." in done.stderr
