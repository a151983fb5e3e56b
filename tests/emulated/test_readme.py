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
    assert OURS[:2] == ["./inv build", "./inv test"]
    assert any(" -m pip install " in command for command in ON_THE_PI)


@pytest.mark.usefixtures("wheels")
# `./inv test` is what runs this.
@pytest.mark.parametrize("command", [command for command in OURS if command != "./inv test"])
def test_a_command_on_the_build_machine(
    command: str, clone: Path, request: pytest.FixtureRequest
) -> None:
    if "docker" in command or "images" in command:
        request.getfixturevalue("engine")
    done = subprocess.run(command.split(), cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_commands_on_the_pi(wheels: dict[str, Path], fetcher: Fetcher, tmp_path: Path) -> None:
    system = systems.system("bookworm")
    wheel = wheels["cp37"]
    (tmp_path / wheel.name).write_bytes(wheel.read_bytes())
    commands = [command.replace("tflite_runtime-*.whl", wheel.name) for command in ON_THE_PI]
    for command in [*commands, "env/bin/python -c 'import tflite_runtime.interpreter'"]:
        done = qemu.run(
            shlex.split(command),
            tree=rootfs.tree(system, fetcher.store),
            board=systems.board("Raspberry Pi 5"),
            work=tmp_path,
        )
        assert done.status == 0, done.stderr
