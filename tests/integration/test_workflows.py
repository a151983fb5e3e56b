"""The checkers of the workflows, which `./inv lint` runs, see a defect."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import REPO

Plant = Callable[[str, str, str], Path]


PROGRAMS = Path(sys.executable).parent
ACTIONLINT = [str(PROGRAMS / "actionlint"), "-shellcheck=", "-pyflakes="]
ZIZMOR = [str(PROGRAMS / "zizmor"), "--offline", "--quiet", "--persona", "pedantic"]
PIN = re.compile(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", re.MULTILINE)
CHECKOUT = PIN.findall((REPO / ".github/workflows/ci.yml").read_text())[0]


@pytest.fixture
def planted(tmp_path: Path) -> Plant:
    """A copy of the workflows with one change in one file."""
    (tmp_path / ".git").mkdir()
    folder = shutil.copytree(REPO / ".github", tmp_path / ".github") / "workflows"

    def plant(file: str, old: str, new: str) -> Path:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))
        return tmp_path

    return plant


def check(command: list[str], folder: Path) -> tuple[int, str]:
    words = [*command, ".github"] if command is ZIZMOR else command
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", [ACTIONLINT, ZIZMOR], ids=["actionlint", "zizmor"])
def test_the_checkers_like_the_workflows(command: list[str], planted: Plant) -> None:
    status, said = check(command, planted("ci.yml", "name: CI", "name: CI"))
    assert status == 0, said


@pytest.mark.parametrize(
    ("command", "old", "new", "rule"),
    [
        (ACTIONLINT, "timeout-minutes", "timeout-minute", "syntax-check"),
        (ACTIONLINT, "github.ref", "github.reff", "expression"),
        (ACTIONLINT, "ubuntu-24.04", "ubuntu-24.10", "runner-label"),
        (ZIZMOR, "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        (ZIZMOR, CHECKOUT, "@v7", "unpinned-uses"),
        (ZIZMOR, "permissions: {}", "permissions: write-all", "excessive-permissions"),
        (ZIZMOR, "./inv lint", "./inv ${{ github.head_ref }}", "template-injection"),
        (ZIZMOR, "  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        (ZIZMOR, "@sha256:", ":", "unpinned-images"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.islower() else "",
)
def test_the_checkers_see_a_planted_defect(
    command: list[str], old: str, new: str, rule: str, planted: Plant
) -> None:
    status, said = check(command, planted("ci.yml", old, new))
    assert status != 0
    assert rule in said
