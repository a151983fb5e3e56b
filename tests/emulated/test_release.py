"""A release, run here job by job with nothing moved but artefacts, is what one machine makes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPO
from tests.support.runner import Run
from tests.support.small import LABELS, small
from wheelhouse.common.store import Store
from wheelhouse.sources import releases
from wheelhouse.targets import matrix

RELEASE = REPO / ".github" / "workflows" / "release.yml"


def whole(folder: Path) -> None:
    """A checkout of this project that uses the tests' own environment."""
    left = shutil.ignore_patterns(".*", "__pycache__", "artefacts", "releases", "site", "wheels")
    shutil.copytree(REPO, folder, ignore=left)
    (folder / ".venv").symlink_to(sys.prefix)


def wheels(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.whl")}


def released(release: Run) -> dict[str, bytes]:
    """The wheels in the release's last job."""
    return wheels(release.folder / "release-0" / "checkout" / "wheels")


@pytest.fixture(scope="module")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str]]:
    """A release of the small project, and its jobs."""
    run = Run(RELEASE, tmp_path_factory.mktemp("run"), small)
    return run, run.jobs()


def test_a_release_has_a_job_for_each_part_and_three_for_each_wheel(
    small_release: tuple[Run, list[str]],
) -> None:
    _, jobs = small_release
    parts = ["libraries-core-1-aarch64", "libraries-small_delegate-1"]
    compiles = [f"Compile {name}" for name in parts]
    others = [f"{kind} {label}" for kind in ("Build", "Verify", "Attest") for label in LABELS]
    assert jobs == ["Plan", *compiles, *others, "Release"]


def test_a_release_of_small_wheels_is_what_one_machine_makes(
    small_release: tuple[Run, list[str]], tmp_path: Path
) -> None:
    one = tmp_path / "one"
    small(one)
    words = [str(one / "inv"), "make", ",".join(LABELS)]
    env = {**os.environ, "WHEELHOUSE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = released(small_release[0])
    assert sorted(made) == sorted(f"{label}.whl" for label in LABELS)
    assert made == wheels(one / "wheels")


def test_a_wheels_job_compiles_nothing_that_an_earlier_job_compiled(
    small_release: tuple[Run, list[str]],
) -> None:
    for number in range(len(LABELS)):
        home = small_release[0].folder / f"build-{number}" / "home"
        costs = home / ".cache" / "tflite-wheelhouse" / "costs"
        assert [path.name for path in costs.iterdir()] == ["wheels"]


PARTS = [
    (tflite, processor)
    for tflite in releases.known_versions()
    for processor in dict.fromkeys(target.processor for target in matrix.targets())
]
"""What a release compiles apart: a core of each TFLite release for each processor."""

ONLY = """

_every = published


def published():
    return [each for each in _every() if {condition}]
"""


@pytest.fixture(params=PARTS, ids="-".join)
def whole_release(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Run, str]:
    """A release of a core's wheels, and the options that build them on one machine.

    Each job begins with the pinned sources alone. The delegate is tried beside the first wheel.
    """
    tflite, processor = request.param
    condition = f"'-{tflite}' in each.label and each.processor == {processor!r}"
    options = f"--py all --tflite {tflite} --arch {processor}"
    if request.param == PARTS[0]:
        condition += " or 'armnn' in each.label"
        options += " --armnn"

    def sources(home: Path) -> None:
        cache = home / ".cache" / "tflite-wheelhouse"
        cache.mkdir(parents=True)
        copy = ["cp", "-al", str(Store.default().root / "files"), str(cache)]
        subprocess.run(copy, check=True)

    def checkout(folder: Path) -> None:
        whole(folder)
        with (folder / "wheelhouse" / "workflow.py").open("a") as file:
            file.write(ONLY.format(condition=condition))

    return Run(RELEASE, tmp_path / "run", checkout, sources), options


def test_a_whole_release_is_what_one_machine_makes(
    whole_release: tuple[Run, str], tmp_path: Path
) -> None:
    """Takes a quarter of an hour for each core."""
    run, options = whole_release
    run.jobs()
    one = tmp_path / "one"
    whole(one)
    words = [str(one / "inv"), "build", "--no-verify", *shlex.split(options)]
    subprocess.run(words, check=True)
    made = released(run)
    assert made == wheels(one / "wheels")
    assert len(made) == len(matrix.choose("all")) + ("--armnn" in options)
