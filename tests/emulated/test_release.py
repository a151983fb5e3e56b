"""A release, run here job by job with nothing moved but artefacts, is what one machine makes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pytest

from tests.support import REPO
from tests.support.runner import Run
from tests.support.small import LABELS, small
from wheelhouse import workflow
from wheelhouse.common.store import Store
from wheelhouse.package import products
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


@dataclass(frozen=True)
class Part:
    """Wheels of a release that one test makes, and the options that build them on one machine."""

    name: str
    options: str
    labels: list[str]


def parts() -> list[Part]:
    """The wheels of each core; the Arm NN delegate, and the apps, beside the wheel they need."""
    labels = {each.label: each.processor for each in workflow.published()}
    cores = [
        Part(
            f"{tflite}-{processor}",
            f"--py all --tflite {tflite} --arch {processor}",
            [each for each in labels if f"-{tflite}" in each and labels[each] == processor],
        )
        for tflite in releases.known_versions()
        for processor in dict.fromkeys(target.processor for target in matrix.targets())
    ]
    runtime, delegate = products.universal().label, products.armnn().label
    apps = [each.label for each in products.apps()]
    return [
        *cores,
        Part("armnn", "--armnn", [runtime, delegate]),
        Part("apps", "--apps", [runtime, *apps]),
    ]


ONLY = """

_every = published


def published():
    return [each for each in _every() if each.label in {labels}]
"""


@pytest.fixture(params=parts(), ids=attrgetter("name"))
def whole_release(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Run, Part]:
    """A release of a part, each job of which begins with the pinned sources alone."""

    def sources(home: Path) -> None:
        cache = home / ".cache" / "tflite-wheelhouse"
        cache.mkdir(parents=True)
        copy = ["cp", "-al", str(Store.default().root / "files"), str(cache)]
        subprocess.run(copy, check=True)

    def checkout(folder: Path) -> None:
        whole(folder)
        with (folder / "wheelhouse" / "workflow.py").open("a") as file:
            file.write(ONLY.format(labels=request.param.labels))

    return Run(RELEASE, tmp_path / "run", checkout, sources), request.param


def test_a_whole_release_is_what_one_machine_makes(
    whole_release: tuple[Run, Part], tmp_path: Path
) -> None:
    """Takes half an hour for each part."""
    run, part = whole_release
    run.jobs()
    one = tmp_path / "one"
    whole(one)
    words = [str(one / "inv"), "build", "--no-verify", *shlex.split(part.options)]
    subprocess.run(words, check=True)
    made = released(run)
    assert len(made) == len(part.labels)
    assert made == wheels(one / "wheels")


def test_the_parts_have_each_published_wheel() -> None:
    labels = {label for part in parts() for label in part.labels}
    assert labels == {each.label for each in workflow.published()}
