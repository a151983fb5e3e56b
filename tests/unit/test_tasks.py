"""The tasks' words: what they choose, and how a failure ends them."""

from __future__ import annotations

import errno
import re
import shlex
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

import tasks
from tests.support import REPO
from wheelhouse import pipeline
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.store import disk_space
from wheelhouse.package import container_main, products
from wheelhouse.publish import reference


@pytest.mark.parametrize(
    ("words", "suites"),
    [
        ("", ["unit", "integration", "emulated"]),
        ("unit", ["unit"]),
        ("emulated, unit", ["unit", "emulated"]),
    ],
)
def test_only_chooses_among_the_folders_of_tests(words: str, suites: list[str]) -> None:
    assert pipeline.suites(words) == suites
    assert all((REPO / "tests" / suite).is_dir() for suite in suites)


def test_the_documented_exit_codes_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| (\d+) \| (\w+) \|", (REPO / "docs/reference/exit-codes.md").read_text(), re.MULTILINE
    )
    assert [(int(code), kind.upper()) for code, kind in rows] == [
        (kind.value, kind.name) for kind in Kind
    ]


def test_a_failure_keeps_the_first_kind_that_it_was_given() -> None:
    @failures_of(Kind.VERIFICATION)
    def fail(kind: Kind) -> NoReturn:
        with failures_of(Kind.COMPILE):
            raise WheelhouseError("It failed.", "Mend it.", kind)

    for told, seen in {Kind.OTHER: Kind.COMPILE, Kind.FETCH: Kind.FETCH}.items():
        with pytest.raises(WheelhouseError) as failure:
            fail(told)
        assert failure.value.kind is seen


def test_a_full_disk_is_a_kind_of_its_own_whatever_fails(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseError) as failure, failures_of(Kind.COMPILE), disk_space(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert failure.value.kind is Kind.DISK


def test_another_failure_of_the_system_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_space(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("kind", [Kind.AUDIT, Kind.DISK, Kind.OTHER])
def test_a_container_tells_the_kind_of_its_failure(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(wanted: object, fetcher: object) -> NoReturn:
        raise WheelhouseError("It failed.", "Mend it.", kind)

    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path))
    monkeypatch.setattr(products, "build", fail)
    assert container_main.main([products.armnn().label]) == kind


def test_what_runs_before_a_commit_is_what_lint_runs() -> None:
    (repository,) = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]:
        program, *words = shlex.split(hook["entry"])
        assert REPO / program == REPO / ".venv/bin/python"
        assert (sys.executable, *words) == tasks.CHECKS[hook["name"]]
        assert not hook["pass_filenames"]
    names = {hook["name"] for hook in repository["hooks"]}
    assert names == {"ruff check", "ruff format", "mypy", "layers", "actionlint"}


def test_a_word_without_an_option_s_name_is_one_that_the_task_must_have() -> None:
    """Invoke refuses it for an argument that has a default."""
    bare = {
        (str(task.name), str(each.name)): each.default
        for task in reference.known_tasks()
        for each in task.get_arguments()
        if each.positional and each.kind is not list
    }
    assert bare
    assert set(bare.values()) == {None}
