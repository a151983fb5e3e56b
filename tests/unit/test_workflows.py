"""What the workflows of CI may do."""

import re
import shlex

import pytest
import yaml
from invoke.collection import Collection

import tasks
from tests.support import REPO
from wheelhouse import matrix, products, upstream

FOLDER = REPO / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
JOBS = [
    pytest.param(job, id=f"{file}:{name}")
    for file, workflow in WORKFLOWS.items()
    for name, job in workflow["jobs"].items()
]
STEPS = [
    pytest.param(step, id=f"{file}:{name}:{place}")
    for file, workflow in WORKFLOWS.items()
    for name, job in workflow["jobs"].items()
    for place, step in enumerate(job.get("steps", ()))
]
PIN = re.compile(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", re.MULTILINE)

WRITES = {
    ("release.yml", "attest"): {"id-token", "attestations"},
    ("release.yml", "release"): {"contents"},
    ("release.yml", "publish"): {"id-token"},
    ("release.yml", "pages"): {"pages", "id-token"},
    ("pages.yml", "deploy"): {"pages", "id-token"},
}


TASKS = {
    context.name: {*context.flags, *context.inverse_flags}
    for context in Collection.from_module(tasks).to_contexts()
}


def value(parameter):
    """The one value of a parameter set."""
    (it,) = parameter.values
    return it


def test_the_three_workflows_are_here():
    assert set(WORKFLOWS) == {"ci.yml", "release.yml", "pages.yml"}


@pytest.mark.parametrize("step", [step for step in STEPS if "run" in value(step)])
def test_all_that_runs_is_one_task_of_this_project(step):
    words = shlex.split(step["run"])
    assert words[0] == "./inv"
    assert not set(step["run"]) & set("\n;|&<>`")
    assert "${{" not in step["run"]
    assert {word for word in words if word.startswith("--")} <= TASKS[words[1]]


@pytest.mark.parametrize("step", [step for step in STEPS if "uses" in value(step)])
def test_every_action_is_pinned_by_its_commit_and_no_credentials_are_left_behind(step):
    assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
    if step["uses"].startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False


def test_every_pin_names_its_version_and_one_version_has_one_pin():
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
def test_a_workflow_has_no_permission_and_a_job_writes_only_what_it_must(file):
    workflow = WORKFLOWS[file]
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        writes = {key for key, how in job["permissions"].items() if how == "write"}
        assert writes == WRITES.get((file, name), set()), name
        assert set(job["permissions"].values()) <= {"read", "write"}


@pytest.mark.parametrize("job", [job for job in JOBS if "uses" not in value(job)])
def test_a_job_ends_and_runs_in_a_known_place(job):
    assert job["timeout-minutes"] <= 90
    assert job["runs-on"] == "ubuntu-24.04"
    if "container" in job:
        assert re.fullmatch(r"[\w:.-]+@sha256:[0-9a-f]{64}", job["container"]["image"])


def test_a_release_is_built_without_a_cache_and_published_only_if_verified_and_attested():
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert WORKFLOWS["release.yml"][True] == {"push": {"tags": ["v*"]}}
    assert "actions/cache" not in str(jobs)
    assert jobs["verify"]["needs"] == "build"
    assert jobs["attest"]["needs"] == "verify"
    assert jobs["release"]["needs"] == jobs["publish"]["needs"] == "attest"
    assert jobs["pages"]["needs"] == "release"


def test_what_ci_keeps_is_named_by_files_that_are_here():
    steps = [value(step) for step in STEPS]
    (key,) = [step["with"]["key"] for step in steps if "actions/cache@" in step.get("uses", "")]
    patterns = re.findall(r"'([^']+)'", key)
    assert patterns
    assert all(list(REPO.glob(pattern)) for pattern in patterns)


def test_a_release_has_a_wheel_for_every_target_of_the_matrix():
    jobs = WORKFLOWS["release.yml"]["jobs"]
    for name in ("build", "verify", "attest"):
        pythons = jobs[name]["strategy"]["matrix"]["python"]
        assert pythons == [target.python for target in matrix.targets()]
        assert jobs[name]["strategy"]["matrix"]["tflite"] == upstream.known()


def test_a_release_has_the_delegate_once_and_attests_it_apart():
    jobs = WORKFLOWS["release.yml"]["jobs"]
    for name in ("build", "verify", "attest"):
        (more,) = jobs[name]["strategy"]["matrix"]["include"]
        first = {"python": matrix.targets()[0].python, "tflite": upstream.known()[0]}
        assert more == {**first, "armnn": "--armnn"}
    (command,) = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert shlex.split(command)[-1] == "$ARMNN"
    paths = [step.get("with", {}).get("subject-path", "") for step in jobs["attest"]["steps"]]
    projects = [products.every()[0].about.package, products.armnn().about.package]
    assert list(filter(None, paths)) == [f"wheels/{name}-*.whl" for name in projects]
