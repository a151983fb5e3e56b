"""What the tasks say on the command line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import tasks
from tests.support.running import Cli
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.sources import releases
from wheelhouse.targets import matrix, systems


@pytest.mark.parametrize("version", ["3.12", "2.7", "banana", "", "3.9,3.12"])
def test_an_unknown_version_ends_with_one_error_and_what_to_do_next(cli: Cli, version: str) -> None:
    done = cli("build", f"--py={version}")
    with pytest.raises(WheelhouseError) as failure:
        matrix.choose(version)
    assert done.stderr == f"error: {failure.value.what}\nnext: {failure.value.hint}\n"
    assert done.stdout == ""
    assert done.status == Kind.USAGE


def test_the_matrix_is_listed(cli: Cli) -> None:
    done = cli("matrix")
    assert done.status == 0
    listed: dict[tuple[str, str], list[str]] = {}
    processor = python = ""
    for line in done.stdout.splitlines():
        if "--arch" in line:
            processor = line.split("--arch")[1].strip()
        if line.startswith("│"):
            python = line.split()[1].strip("│") or python
            listed.setdefault((processor, python), []).append(line)
    assert [(target.processor, target.python) for target in matrix.targets()] == list(listed)
    for target in matrix.targets():
        on = [systems.system(name, target.processor) for name in target.systems]
        lines = [
            line for line in listed[target.processor, target.python] if line.split("│")[4].strip()
        ]
        assert len(lines) == len(on)
        for line, each in zip(lines, on, strict=False):
            _, _, _, name, suite, _, _ = (cell.strip() for cell in line.split("│"))
            assert suite == each.suite
            assert each.name.startswith(name)
    assert all(version in done.stdout for version in releases.known_versions())


@pytest.mark.parametrize("task", ["build", "plan"])
def test_an_unknown_processor_is_answered_with_the_nearest(cli: Cli, task: str) -> None:
    done = cli(task, "--arch", "x86_64,arm64")
    assert done.status == Kind.USAGE
    assert done.stderr == (
        "error: There is no architecture named 'arm64'.\n"
        "next: Did you mean 'aarch64'? Known are: aarch64, x86_64, armv7l, aarch64-musl.\n"
    )
    assert done.stdout == ""


def test_the_delegate_is_for_its_processor_alone(cli: Cli) -> None:
    done = cli("build", "--arch", "x86_64", "--armnn", "--no-verify")
    assert done.status == Kind.USAGE
    assert done.stderr == (
        "error: The Arm NN delegate is for aarch64 alone.\n"
        "next: Leave out --armnn, or add aarch64 to --arch.\n"
    )
    apps = cli("build", "--arch", "x86_64", "--apps", "--no-verify")
    assert apps.status == Kind.USAGE
    assert apps.stderr.startswith("error: The wheels of apps are tried on aarch64 alone.\n")
    both = cli("plan", "--arch", "all", "--armnn", "--json")
    wheels = [each["name"] for each in json.loads(both.stdout)["jobs"]["wheels"]]
    ends = ["aarch64", "x86_64", "armv7l", "aarch64-musl", "aarch64"]
    assert all(name.endswith(f"-{end}") for name, end in zip(wheels, ends, strict=True))


@pytest.mark.parametrize(
    ("name", "line", "broken"),
    [
        ("common/store.py", "import wheelhouse.pipeline", "arrows between rooms point down"),
        ("compile/toolchain.py", "import wheelhouse.compile.core", "no circle within a room"),
        ("lonely.py", "", "arrows between rooms point down"),
    ],
)
def test_lint_finds_what_climbs_goes_in_a_circle_or_has_no_layer(
    project: Path, name: str, line: str, broken: str
) -> None:
    with (project / "wheelhouse" / name).open("a") as module:
        module.write(f"\n{line}\n")
    done = subprocess.run(
        tasks.CHECKS["layers"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{broken} BROKEN" in done.stdout


def test_an_unknown_kind_of_trials_is_answered_with_the_nearest(cli: Cli) -> None:
    done = cli("fuzz", "--kind", "mutants,integer")
    assert done.status == Kind.USAGE
    assert done.stderr == (
        "error: There is no kind of trials named integer; did you mean integers?\n"
        "next: Give --kind one of these: mutants, operators, integers, tensors.\n"
    )
    assert done.stdout == ""


def test_a_finished_wheel_has_no_sanitizers(cli: Cli, tmp_path: Path) -> None:
    done = cli("fuzz", "--sanitize", "--wheel", str(tmp_path / "any.whl"))
    assert done.status == Kind.USAGE
    assert done.stderr == (
        "error: --sanitize compiles what it tries, and --wheel names a finished wheel.\n"
        "next: Leave out one of them.\n"
    )
    assert done.stdout == ""


def test_an_unknown_kind_of_tests_is_answered_with_the_nearest(cli: Cli) -> None:
    done = cli("test", "--only", "unit,emulate")
    assert done.status == Kind.USAGE
    assert done.stderr == (
        "error: There is no kind of tests emulate; did you mean emulated?\n"
        "next: Give --only one of these: unit, integration, emulated.\n"
    )
