"""What the workflows of CI may do."""

from __future__ import annotations

import json
import re
import shlex
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml
from invoke.collection import Collection

import tasks
from tests.support import REPO
from wheelhouse import workflow
from wheelhouse.common.store import Store
from wheelhouse.publish.publisher import Publisher

FOLDER = REPO / ".github" / "workflows"
WORKFLOWS: dict[str, Any] = {
    path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")
}
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


def test_all_workflows_are_here() -> None:
    names = ("advisories", "ci", "fuzz", "pages", "release")
    assert set(WORKFLOWS) == {f"{name}.yml" for name in names}


def test_advisories_are_asked_for_once_a_week_and_may_only_read() -> None:
    ((minute, hour, day, month, weekday),) = (
        row["cron"].split() for row in WORKFLOWS["advisories.yml"][True]["schedule"]
    )
    assert all(word.isdigit() for word in (minute, hour, weekday))
    assert (day, month) == ("*", "*")
    assert [job["permissions"] for job in WORKFLOWS["advisories.yml"]["jobs"].values()] == [
        {"contents": "read"}
    ]


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
    assert not re.search("SHARED_CACHE|DISTRIBUTED", str(WORKFLOWS["release.yml"]))
    assert jobs["compile"]["needs"] == "plan"
    assert jobs["build"]["needs"] == ["plan", "compile"]
    assert jobs["verify"]["needs"] == ["plan", "build"]
    assert jobs["attest"]["needs"] == ["plan", "verify"]
    assert jobs["release"]["needs"] == jobs["publish"]["needs"] == "attest"
    assert jobs["pages"]["needs"] == "release"


def test_no_artefact_comes_from_another_run() -> None:
    for place, step in STEPS.items():
        if "actions/download-artifact@" in step.get("uses", ""):
            assert not {"run-id", "github-token", "repository"} & set(step["with"]), place


def test_what_ci_keeps_is_named_by_files_that_are_here() -> None:
    keys = [
        step["with"]["key"] for step in STEPS.values() if "actions/cache@" in step.get("uses", "")
    ]
    patterns = re.findall(r"'([^']+)'", "".join(keys))
    assert patterns
    assert all(list(REPO.glob(pattern)) for pattern in patterns)


PLANNED = [name for name, job in JOBS.items() if "strategy" in job]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the job ``plan`` hands to the others."""
    folder = tmp_path_factory.mktemp("plan")
    made = workflow.Request(workflow.published(), Store(folder / "cache")).plan()
    workflow.append(made, folder / "output")
    (line,) = (folder / "output").read_text().splitlines()
    name, _, told = line.partition("=")
    return {name: json.loads(told)}


def rows(file: str, name: str, release: dict[str, Any]) -> list[dict[str, str]]:
    """What a job's matrix makes of a plan or lists: one row for each run of the job."""
    job = WORKFLOWS[file]["jobs"][name]
    if "strategy" not in job:
        return [{}]
    if "include" not in job["strategy"]["matrix"]:
        ((key, values),) = job["strategy"]["matrix"].items()
        return [{key: str(value)} for value in values]
    pattern = r"\$\{\{ fromJSON\(needs\.plan\.outputs\.(\w+)\)\.jobs\.(\w+) \}\}"
    found = re.fullmatch(pattern, job["strategy"]["matrix"]["include"])
    assert found
    assert "plan" in job["needs"]
    assert WORKFLOWS[file]["jobs"]["plan"]["outputs"] == {
        found[1]: "${{ steps.plan.outputs.plan }}"
    }
    return list(release[found[1]]["jobs"][found[2]])


def filled(text: str, row: dict[str, str]) -> str:
    """A text of a step in one run of its job; raises KeyError for what no matrix has."""
    return re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda found: row[found[1]], text)


def artefacts(file: str, name: str, kind: str, release: dict[str, Any]) -> list[tuple[str, str]]:
    """The names, or patterns, and the paths of all artefacts that a job's runs upload or download.

    ``kind`` is ``upload`` or ``download``.
    """
    return [
        (
            filled(step["with"].get("name") or step["with"]["pattern"], row),
            filled(step["with"]["path"], row),
        )
        for row in rows(file, name, release)
        for step in WORKFLOWS[file]["jobs"][name].get("steps", ())
        if f"actions/{kind}-artifact@" in step.get("uses", "")
        and ("if" not in step or step["if"] == "always()" or row[step["if"].split(".")[1]])
    ]


def before(file: str, name: str) -> set[str]:
    """The jobs that a job waits for, directly or through others."""
    needs = WORKFLOWS[file]["jobs"][name].get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    return {*needs}.union(*(before(file, each) for each in needs))


@pytest.mark.parametrize("file", ["release.yml", "ci.yml"])
def test_what_a_job_downloads_an_earlier_one_uploads(file: str, release: dict[str, Any]) -> None:
    downloads = 0
    for name in WORKFLOWS[file]["jobs"]:
        earlier = [
            each for job in before(file, name) for each in artefacts(file, job, "upload", release)
        ]
        names = [each for each, _ in earlier]
        assert len({*names}) == len(names)
        for pattern, path in artefacts(file, name, "download", release):
            found = [place for each, place in earlier if fnmatch(each, pattern)]
            assert found, pattern
            downloads += 1
            if path.startswith("~/"):  # what lay in a cache lies in the same place of another
                assert {*found} == {path}
    assert downloads >= 2


def test_each_run_uploads_an_artefact_of_its_own(release: dict[str, Any]) -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    names = [name for job in jobs for name, _ in artefacts("release.yml", job, "upload", release)]
    assert len({*names}) == len(names)


def test_all_that_a_release_uploads_somebody_downloads(release: dict[str, Any]) -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    patterns = [
        name for job in jobs for name, _ in artefacts("release.yml", job, "download", release)
    ]
    for job in jobs:
        for name, _ in artefacts("release.yml", job, "upload", release):
            assert any(fnmatch(name, pattern) for pattern in patterns), name


@pytest.mark.parametrize("place", PLANNED)
def test_a_matrix_names_only_what_the_plan_has(place: str, release: dict[str, Any]) -> None:
    file, _, name = place.partition(":")
    used = set(re.findall(r"matrix\.(\w+)", str(JOBS[place])))
    assert used
    for row in rows(file, name, release):
        assert used <= set(row)


def test_the_shards_of_ci_are_all_that_there_are() -> None:
    job = WORKFLOWS["ci.yml"]["jobs"]["test"]
    numbers = job["strategy"]["matrix"]["shard"]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert job["env"]["SHARD"] == f"${{{{ matrix.shard }}}}/{len(numbers)}"


def test_a_release_builds_verifies_and_attests_all_that_is_published(
    release: dict[str, Any],
) -> None:
    labels = [product.label for product in workflow.published()]
    for name in ("build", "verify", "attest"):
        assert [row["name"] for row in rows("release.yml", name, release)] == labels


def test_every_commands_variables_are_given_to_it() -> None:
    for place, step in STEPS.items():
        job = JOBS[place.rpartition(":")[0]]
        known = {*job.get("env", {}), *step.get("env", {}), "GITHUB_OUTPUT", "GITHUB_REPOSITORY"}
        assert set(re.findall(r"\$\{?(\w+)", step.get("run", ""))) <= known


def test_the_index_verifies_what_the_release_attested() -> None:
    runs = "\n".join(step.get("run", "") for step in STEPS.values())
    assert './inv releases --repo "$GITHUB_REPOSITORY"' in runs
    assert re.search(r'\./inv index --wheels releases .*--repo "\$GITHUB_REPOSITORY"', runs)
    attested = [place for place, step in STEPS.items() if "/attest-" in step.get("uses", "")]
    assert [place.partition(":")[0] for place in attested] == [Publisher("owner/name").workflow]
