"""The commands of README and of the documentation, run as they stand there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.emulated.following import URL, Reader, lines, mirror, shown
from tests.emulated.transcripts import bring_guest
from tests.support import REPO
from tests.support.wheels import make_site
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems

README = (REPO / "README.md").read_text()
DOCS = REPO / "docs"

PAGES = (
    "tutorial/your-own-index.md",
    "explanation/one-wheel.md",
    "howto/add-a-cpython.md",
    "howto/add-a-processor.md",
    "howto/add-a-tflite-release.md",
    "howto/add-an-os-release.md",
    "howto/armnn.md",
    "howto/benchmark.md",
    "howto/own-index.md",
    "howto/upgrade-a-pin.md",
    "howto/verify-a-wheel.md",
    "howto/without-a-network.md",
)
NOT_HERE = {
    "./inv bench --add mine.json": "tests/integration/test_boards.py adds what a board measured",
    "./inv build --tflite-source DIR": "needs a checkout of TensorFlow",
    "./inv publish --to https://HOST/legacy/": "tests/integration/test_publish.py has a server",
    "./inv test": "runs this",
    "./inv upstream-tests --arch aarch64,x86_64": "takes half an hour; test_upstream.py does that",
    "./inv update-pins": "asks mirrors; tests/integration/test_pins.py has its own",
    "./inv update-pins --write": "changes the pins",
}
"""Commands that no test of this file runs, and why."""


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


def run_in(clone: Path, text: str) -> None:
    """Run a document's commands one after another: some need what an earlier one made."""
    found = [each for each in lines(shown(text, "sh")) if each.startswith("./inv ")]
    assert found
    for command in found:
        if command in NOT_HERE:
            continue
        words = command.split()
        done = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.usefixtures("universal")
def test_readme_s_commands_on_the_build_machine(clone: Path) -> None:
    run_in(clone, README)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_s_commands_on_the_build_machine(
    page: str, clone: Path, wheels: dict[str, Path], newest: dict[str, Path], armnn_wheel: Path
) -> None:
    """What earlier pages leave, verified wheels, is in ``wheels/`` and in the reader's folder."""
    for path in (*wheels.values(), *newest.values(), armnn_wheel):
        for name in (path.name, f"{path.name}.verified.json"):
            shutil.copyfile(path.with_name(name), clone / "wheels" / name)
        shutil.copyfile(path, clone / path.name)
    run_in(clone, (DOCS / page).read_text())


@pytest.mark.usefixtures("engine")
def test_the_commands_with_an_engine(clone: Path) -> None:
    """All but `./inv images`, which needs an image registry."""
    text = (DOCS / "howto/containers.md").read_text()
    run_in(clone, text.replace("./inv images\n", "\n"))


@pytest.fixture(scope="module")
def srv(universal: Path, fetcher: Fetcher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server holds: an index of the universal wheel, and a model."""
    folder, found = tmp_path_factory.mktemp("srv"), tmp_path_factory.mktemp("wheels")
    for name in (universal.name, f"{universal.name}.verified.json"):
        shutil.copyfile(universal.with_name(name), found / name)
    settings = IndexSettings.read(REPO / "index.toml")
    make_site([found], settings, Place(site=f"{URL}/site/"), folder / "site")
    mirror(folder, fetcher, "face-detection-tflite")
    return folder


@pytest.mark.parametrize(("suite", "install"), [("bullseye", 1), ("bookworm", 0), ("trixie", 0)])
def test_who_copies_readme_s_lines_gets_a_printed_inference(
    suite: str, install: int, srv: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    """The lines for the system and those after them, but for apt's; ours is the index here."""
    bring_guest(tmp_path)
    address = IndexSettings.read(REPO / "index.toml").address
    assert address in README
    installing, _, running = README.partition("\n## Run a model\n")
    blocks = shown(installing.replace(address, f"{URL}/site/"), "sh")
    running, _, _ = running.partition("\n## ")
    (program,), (expected,) = shown(running, "python"), shown(running, "text")
    (tmp_path / "first.py").write_text(program)
    if suite == "bullseye":
        for each in ("`python3 -m pip` for `~/tflite/bin/pip`", "`python3` for"):
            assert each in running
        running = running.replace("~/tflite/bin/pip", "python3 -m pip")
        running = running.replace("~/tflite/bin/python", "python3")
    reader = Reader(systems.system(suite), fetcher, srv, tmp_path)
    done = reader.follow(lines([blocks[install], *shown(running, "sh")]))
    assert done[-1].stderr + done[-1].stdout == expected


def test_a_copied_wheel_installs_without_an_index(
    universal: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    bring_guest(tmp_path)
    shutil.copyfile(universal, tmp_path / universal.name)
    text = (DOCS / "howto/own-index.md").read_text()
    _, _, section = text.partition("\n## A file, without an index\n")
    commands = lines(shown(section.partition("\n## ")[0], "sh"))
    reader = Reader(systems.system("bookworm"), fetcher, tmp_path, tmp_path)
    reader.follow([*commands, "~/tflite/bin/python -c 'import tflite_runtime.interpreter'"])
