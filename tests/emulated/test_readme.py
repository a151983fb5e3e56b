"""Every command that README shows, run as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems

README = (Path(__file__).parents[2] / "README.md").read_text()
PROSE = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
COMMANDS = [line.strip() for line in PROSE.splitlines() if line.startswith("    ")]
OURS = [command for command in COMMANDS if command.startswith("./inv ")]
IN_CONTAINERS = [each for each in OURS if "docker" in each or "images" in each]
ON_THE_PI = [command for command in COMMANDS if command not in OURS]


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    # In a container of CI the checkout belongs to another user, and git must be told to trust it.
    trust = tmp_path_factory.mktemp("git") / "config"
    trust.write_text("[safe]\n\tdirectory = *\n")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": str(trust)}
    subprocess.run(["git", "clone", "--quiet", repo, folder], env=env, check=True)
    (folder / ".venv").symlink_to(repo / ".venv")
    return folder


def test_readme_shows_the_commands_that_it_should() -> None:
    assert OURS[:3] == ["./inv build", "./inv test", "./inv test --all"]
    assert any(" -m pip install " in command for command in ON_THE_PI)


def run_in(clone: Path, commands: list[str]) -> None:
    """Run commands one after another: some need what an earlier one made."""
    assert commands
    for command in commands:
        words = command.split()
        done = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.usefixtures("wheels", "newest", "armnn_wheel")
def test_the_commands_on_the_build_machine(clone: Path) -> None:
    """All but `./inv test`, which runs this, and those that need an engine."""
    run_in(clone, [each for each in OURS if each not in IN_CONTAINERS and " test" not in each])


@pytest.mark.usefixtures("engine")
def test_the_commands_with_an_engine(clone: Path) -> None:
    run_in(clone, IN_CONTAINERS)


def test_the_commands_on_the_pi(universal: Path, fetcher: Fetcher, tmp_path: Path) -> None:
    system = systems.system("bookworm")
    (tmp_path / universal.name).write_bytes(universal.read_bytes())
    commands = [command.replace("tflite_runtime-*.whl", universal.name) for command in ON_THE_PI]
    for command in [*commands, "env/bin/python -c 'import tflite_runtime.interpreter'"]:
        done = qemu.run(
            shlex.split(command),
            tree=rootfs.tree(system, fetcher.store),
            board=systems.board("Raspberry Pi 5"),
            work=tmp_path,
        )
        assert done.status == 0, done.stderr
