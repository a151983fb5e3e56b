"""The tasks plan and make, by which jobs on several machines share what they compile."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import REPO
from tests.support.running import Cli
from tests.support.small import LABELS, small
from wheelhouse import workflow
from wheelhouse.common.errors import Kind
from wheelhouse.common.process import Completed
from wheelhouse.package import products

HOW_TO = (REPO / "docs/howto/several-machines.md").read_text()
CORE = "tflite-2.14.1-aarch64"


def planned(cli: Cli, *words: str) -> dict[str, Any]:
    done = cli("plan", "--json", *words)
    assert done.status == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return dict(json.loads(done.stdout))


def test_a_plan_has_what_build_is_asked_for(cli: Cli) -> None:
    made = planned(cli, "--py", "3.9,3.11", "--tflite", "2.22", "--no-xnnpack")
    labels = [job["name"] for job in made["jobs"]["wheels"]]
    version = "2.22.0.dev2026051800+noxnnpack"
    assert labels == [f"tflite_runtime-{version}-{tag}-{tag}-aarch64" for tag in ("cp39", "cp311")]
    (part,) = made["jobs"]["parts"]
    assert part["name"] == "cores-tflite-2.22.0.dev20260518-aarch64-noxnnpack"


def test_the_delegate_is_planned_with_the_wheel_that_it_is_tried_beside(cli: Cli) -> None:
    made = planned(cli, "--py", "3.11", "--armnn")
    jobs = {job["name"]: job for job in made["jobs"]["wheels"]}
    assert jobs[products.armnn().label]["beside"] in jobs
    assert len(jobs) == 3


def test_apps_are_planned_without_a_compile_of_their_own(cli: Cli) -> None:
    made = planned(cli, "--apps")
    (universal, *apps) = made["jobs"]["wheels"]
    assert [job["name"] for job in apps] == [product.label for product in products.apps()]
    assert {(job["part"], job["beside"]) for job in apps} == {("", universal["name"])}
    assert len(made["jobs"]["parts"]) == 1


def test_the_table_shows_steps_and_sums(cli: Cli, tmp_path: Path) -> None:
    done = cli("plan", WHEELHOUSE_CACHE=str(tmp_path))
    assert re.search(rf"cores +│ {CORE} +│ 780 +│ no", done.stdout)
    assert re.search(r"^What is not in the cache: \d+ CPU minutes$", done.stdout, re.MULTILINE)
    assert not list(tmp_path.iterdir())


def test_a_tree_is_made_where_the_plan_says(cli: Cli, cache: Callable[..., Path]) -> None:
    root, label = cache("files"), "farmhash-2019-05-13"
    (node,) = [node for node in planned(cli)["steps"] if node["label"] == label]
    done = cli("make", label, "--offline", WHEELHOUSE_CACHE=str(root))
    assert done.status == 0, done.stderr
    assert done.stdout == f"{root / node['place']}\n"
    assert (root / node["place"]).is_dir()


def test_a_step_that_does_not_exist_is_answered_with_the_nearest(cli: Cli) -> None:
    done = cli("make", "tflite-2.14.1")
    assert done.status == Kind.USAGE
    assert done.stderr.startswith("error: There is no step tflite-2.14.1; did you mean ")


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str, str], Completed]:
    """Make steps of the small project in a cache below the test's folder."""
    small(tmp_path / "checkout")

    def run(words: str, cache: str) -> Completed:
        done = subprocess.run(
            [tmp_path / "checkout" / "inv", "make", words],
            env={**os.environ, "WHEELHOUSE_CACHE": str(tmp_path / cache)},
            capture_output=True,
            text=True,
            check=True,
        )
        return Completed(done.returncode, done.stdout, done.stderr)

    return run


def damage(folder: Path) -> None:
    """Change one byte of an artefact."""
    (path,) = folder.glob("*/*.a")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def mislabel(folder: Path) -> None:
    """Give an artefact the key of another step."""
    for path in sorted(folder.iterdir()):
        path.rename(path.with_name(re.sub(r"-[0-9a-f]{16}", f"-{'0' * 16}", path.name)))


def unseal(folder: Path) -> None:
    """Leave out what tells an artefact's digest."""
    (seal,) = folder.glob("*.sha256")
    seal.unlink()


@pytest.mark.parametrize("change", [None, damage, mislabel, unseal])
def test_an_artefact_of_an_earlier_job_is_taken_only_with_its_key_and_its_digest(
    change: Callable[[Path], None] | None,
    make: Callable[[str, str], Completed],
    tmp_path: Path,
) -> None:
    make("core-1-aarch64", "earlier")
    shutil.copytree(tmp_path / "earlier" / "libraries", tmp_path / "later" / "libraries")
    if change:
        change(tmp_path / "later" / "libraries")
    wheel = Path(make(LABELS[0], "later").stdout.strip())
    compiled = (tmp_path / "later" / "costs" / "libraries").is_dir()
    assert compiled is (change is not None)
    content = wheel.read_bytes()
    assert Path(make(LABELS[0], "anew").stdout.strip()).read_bytes() == content


def test_the_pipeline_of_gitlab_has_the_same_jobs_in_the_same_order(
    cli: Cli, tmp_path: Path
) -> None:
    """The how-to's program makes of a plan what GitLab takes."""
    _, program, *_ = re.findall(r"^```(?:yaml|python)\n(.+?)^```", HOW_TO, re.MULTILINE | re.DOTALL)
    (tmp_path / "jobs.py").write_text(program)
    told = cli("plan", "--release", "--json").stdout
    done = subprocess.run(
        [sys.executable, tmp_path / "jobs.py"],
        input=told,
        capture_output=True,
        text=True,
        check=True,
    )
    pipeline = yaml.safe_load(done.stdout)
    jobs = {name: job for name, job in pipeline.items() if "script" in job}
    labels = [product.label for product in workflow.published()]
    for kind in ("build", "verify"):
        assert [name for name in jobs if name.startswith(kind)] == [
            f"{kind} {label}" for label in labels
        ]
    places = list(jobs)
    for name, job in jobs.items():
        assert all(places.index(need) < places.index(name) for need in job["needs"])
        assert job["stage"] in pipeline["stages"]
    plan = json.loads(told)["jobs"]
    makes = [job["script"][0] for name, job in jobs.items() if not name.startswith("verify")]
    steps = [row["steps"] for row in (*plan["parts"], *plan["wheels"])]
    assert makes == [f"./inv make {each}" for each in steps]
    for row in plan["wheels"]:
        needs = jobs[f"build {row['name']}"]["needs"]
        assert needs == ([f"compile {row['part']}"] if row["part"] else [])
        for need in needs:
            assert jobs[need]["artifacts"]["paths"] == [f"cache/{row['folder']}/"]
        assert len(jobs[f"verify {row['name']}"]["needs"]) == (2 if row["beside"] else 1)
