"""What the tasks say on the command line."""

from __future__ import annotations

import pytest

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
    listed: dict[str, str] = {}
    python = ""
    for line in done.stdout.splitlines():
        if line.startswith("│"):
            python = line.split()[1].strip("│") or python
            listed[python] = listed.get(python, "") + line
    assert [target.python for target in matrix.targets()] == list(listed)
    for target in matrix.targets():
        assert all(systems.system(name).suite in listed[target.python] for name in target.systems)
    assert all(version in done.stdout for version in releases.known())


def test_an_unknown_kind_of_tests_is_answered_with_the_nearest(cli: Cli) -> None:
    done = cli("test", "--only", "unit,emulate")
    assert done.status == Kind.USAGE
    assert done.stderr == (
        "error: There is no kind of tests emulate; did you mean emulated?\n"
        "next: Give --only one of these: unit, integration, emulated.\n"
    )
