"""What the workflows of CI may do."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml
from invoke.collection import Collection

import tasks
from tests.support import REPO
from wheelhouse.package import products
from wheelhouse.sources import releases
from wheelhouse.targets import matrix

FOLDER = REPO / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
JOBS: dict[str, dict[str, Any]] = {
    f"{file}:{name}": job
    for file, workflow in WORKFLOWS.items()
    for name, job in workflow["jobs"].items()
}
STEPS: dict[str, dict[str, Any]] = {
    f"{job}:{place}": step
    for job, content in JOBS.items()
    for place, step in enumerate(content.get("steps", ()))
}
PIN = re.compile(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", re.MULTILINE)

WRITES = {
    "release.yml:attest": {"id-token", "attestations"},
    "release.yml:release": {"contents"},
    "release.yml:publish": {"id-token"},
    "release.yml:pages": {"pages", "id-token"},
    "pages.yml:deploy": {"pages", "id-token"},
}

TASKS = {
    context.name: {*context.flags, *context.inverse_flags}
    for context in Collection.from_module(tasks).to_contexts()
}


def test_the_three_workflows_are_here() -> None:
    assert set(WORKFLOWS) == {"ci.yml", "release.yml", "pages.yml"}


@pytest.mark.parametrize("place", [place for place, step in STEPS.items() if "run" in step])
def test_all_that_runs_is_one_task_of_this_project(place: str) -> None:
    run = STEPS[place]["run"]
    words = shlex.split(run)
    assert words[0] == "./inv"
    assert not set(run) & set("\n;|&<>`")
    assert "${{" not in run
    assert {word for word in words if word.startswith("--")} <= TASKS[words[1]]


@pytest.mark.parametrize("place", [place for place, step in STEPS.items() if "uses" in step])
def test_every_action_is_pinned_by_its_commit(place: str) -> None:
    assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", STEPS[place]["uses"])


CHECKOUTS = [
    place for place, step in STEPS.items() if step.get("uses", "").startswith("actions/checkout@")
]


@pytest.mark.parametrize("place", CHECKOUTS)
def test_a_checkout_leaves_no_credentials_behind(place: str) -> None:
    assert STEPS[place]["with"]["persist-credentials"] is False


def test_every_pin_names_its_version_and_one_version_has_one_pin() -> None:
    lines = [
        line.strip().removeprefix("- ")
        for path in FOLDER.glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses: " in line and "$/" not in line
    ]
    assert lines
    assert all(PIN.search(line) for line in lines)
    pins = set(lines)
    assert len(pins) == len({line.split("@")[0] for line in pins})


@pytest.mark.parametrize("file", WORKFLOWS)
def test_a_workflow_has_no_permission_and_runs_once_at_a_time(file: str) -> None:
    assert WORKFLOWS[file]["permissions"] == {}
    assert WORKFLOWS[file]["concurrency"]["group"]


def test_a_job_writes_only_what_it_must() -> None:
    found = {
        place: {key for key, how in job["permissions"].items() if how == "write"}
        for place, job in JOBS.items()
    }
    assert {place: writes for place, writes in found.items() if writes} == WRITES
    assert {how for job in JOBS.values() for how in job["permissions"].values()} <= {
        "read",
        "write",
    }


@pytest.mark.parametrize("name", [name for name, job in JOBS.items() if "uses" not in job])
def test_a_job_ends_and_runs_in_a_known_place(name: str) -> None:
    job = JOBS[name]
    assert job["timeout-minutes"] <= 90
    assert job["runs-on"] == "ubuntu-24.04"
    if "container" in job:
        assert re.fullmatch(r"[\w:.-]+@sha256:[0-9a-f]{64}", job["container"]["image"])


def test_a_release_is_built_without_a_cache_and_published_only_if_verified_and_attested() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert WORKFLOWS["release.yml"][True] == {"push": {"tags": ["v*"]}}
    assert "actions/cache" not in str(jobs)
    assert jobs["verify"]["needs"] == "build"
    assert jobs["attest"]["needs"] == "verify"
    assert jobs["release"]["needs"] == jobs["publish"]["needs"] == "attest"
    assert jobs["pages"]["needs"] == "release"


def test_what_ci_keeps_is_named_by_files_that_are_here() -> None:
    (key,) = [
        step["with"]["key"] for step in STEPS.values() if "actions/cache@" in step.get("uses", "")
    ]
    patterns = re.findall(r"'([^']+)'", key)
    assert patterns
    assert all(list(REPO.glob(pattern)) for pattern in patterns)


def test_a_release_has_a_wheel_for_every_target_of_the_matrix() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    for name in ("build", "verify", "attest"):
        pythons = jobs[name]["strategy"]["matrix"]["python"]
        assert pythons == [target.python for target in matrix.targets()]
        assert jobs[name]["strategy"]["matrix"]["tflite"] == releases.known_versions()


def test_a_release_has_the_delegate_once_and_attests_it_apart() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    for name in ("build", "verify", "attest"):
        (more,) = jobs[name]["strategy"]["matrix"]["include"]
        first = {"python": matrix.targets()[0].python, "tflite": releases.known_versions()[0]}
        assert more == {**first, "armnn": "--armnn"}
    (command,) = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert shlex.split(command)[-1] == "$ARMNN"
    paths = [step.get("with", {}).get("subject-path", "") for step in jobs["attest"]["steps"]]
    projects = [products.every()[0].metadata.package, products.armnn().metadata.package]
    assert list(filter(None, paths)) == [f"wheels/{name}-*.whl" for name in projects]
