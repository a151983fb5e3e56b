from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse.common.process import Completed

NO_NETWORK = ("bwrap", "--dev-bind", "/", "/", "--unshare-net")


@pytest.fixture(scope="session")
def wheels(cli: Callable[..., Completed], repo: Path) -> dict[str, Path]:
    """All wheels, built and verified by the command line, by their CPython."""
    done = cli("build", "--py", "all", "--xnnpack")
    assert done.status == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    return {path.name.split("-")[2]: path for path in paths}


@pytest.fixture(scope="session")
def newest(cli: Callable[..., Completed]) -> dict[str, Path]:
    """Two wheels of the newest TFLite, built and verified by the command line, by their CPython."""
    done = cli("build", "--tflite", "2.22", "--py", "3.7,3.11")
    assert done.status == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    return {path.name.split("-")[2]: path for path in paths}


@pytest.fixture(scope="session")
def plain_wheel(cli: Callable[..., Completed]) -> Path:
    """The wheel for CPython 3.11 without XNNPACK, built and verified by the command line."""
    done = cli("build", "--py", "3.11", "--no-xnnpack")
    assert done.status == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def armnn_wheel(cli: Callable[..., Completed]) -> Path:
    """The delegate's wheel, built and verified by the command line beside the universal one."""
    done = cli("build", "--armnn")
    assert done.status == 0, done.stderr
    _, path = done.stdout.splitlines()
    return Path(path)
