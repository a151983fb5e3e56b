from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.running import Cli
from wheelhouse.targets import matrix

NO_NETWORK = ("bwrap", "--dev-bind", "/", "/", "--unshare-net")
WHEELS = {
    target.tag: "universal" if target.abi3 else f"wheels-{target.tag}"
    for target in matrix.choose("all")
}
"""For the Python tag of each wheel of the default release its name for :func:`wheel`."""

each_wheel = pytest.mark.parametrize(
    ("tag", "wheel"), WHEELS.items(), indirect=["wheel"], ids=[*WHEELS]
)
"""Run a test with each wheel of the default release."""


def _build(cli: Cli, *words: str) -> list[Path]:
    """Wheels, built and verified by the command line."""
    done = cli("build", *words)
    assert done.status == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def _by_tag(paths: list[Path]) -> dict[str, Path]:
    return {path.name.split("-")[2]: path for path in paths}


@pytest.fixture(scope="session")
def universal(cli: Cli) -> Path:
    """The wheel that `./inv build` makes."""
    (path,) = _build(cli)
    return path


@pytest.fixture(scope="session")
def pc(cli: Cli) -> Path:
    """The same for PCs."""
    (path,) = _build(cli, "--arch", "x86_64")
    return path


@pytest.fixture(scope="session")
def arm32(cli: Cli) -> Path:
    """The same for 32-bit Raspberry Pi OS."""
    (path,) = _build(cli, "--arch", "armv7l")
    return path


@pytest.fixture(scope="session")
def musl(cli: Cli) -> Path:
    """The same for Alpine Linux."""
    (path,) = _build(cli, "--arch", "aarch64-musl")
    return path


@pytest.fixture(scope="session")
def wheels(cli: Cli) -> dict[str, Path]:
    """All wheels, by their CPython."""
    return _by_tag(_build(cli, "--py", "all", "--xnnpack"))


@pytest.fixture(scope="session")
def newest(cli: Cli) -> dict[str, Path]:
    """Two wheels of the newest TFLite, by their CPython."""
    return _by_tag(_build(cli, "--tflite", "2.22", "--py", "3.7,3.11"))


@pytest.fixture(scope="session")
def plain_wheel(cli: Cli) -> Path:
    """The wheel for CPython 3.11 without XNNPACK."""
    (path,) = _build(cli, "--py", "3.11", "--no-xnnpack")
    return path


@pytest.fixture(scope="session")
def armnn_wheel(cli: Cli) -> Path:
    """The delegate's wheel, built beside the universal one."""
    _, path = _build(cli, "--armnn")
    return path


@pytest.fixture(scope="session")
def app_wheels(cli: Cli) -> dict[str, Path]:
    """The wheels without compiled code, built beside the universal one, by import package."""
    _, *paths = _build(cli, "--apps")
    return {path.name.partition("-")[0]: path for path in paths}


def named_wheel(name: str, request: pytest.FixtureRequest) -> Path:
    """The wheel of a fixture; where that has several, the name ends with a Python tag."""
    fixture, _, tag = name.partition("-")
    found = request.getfixturevalue(fixture)
    return Path(found[tag] if tag else found)


@pytest.fixture
def wheel(request: pytest.FixtureRequest) -> Path:
    """The wheel that a parameter names, as in ``newest-cp311``."""
    return named_wheel(request.param, request)
