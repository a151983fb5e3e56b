from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse import sources
from wheelhouse.engines.host import Completed
from wheelhouse.sources import Sources
from wheelhouse.store import Store

NO_NETWORK = ("bwrap", "--dev-bind", "/", "/", "--unshare-net")


@pytest.fixture(scope="session")
def at() -> Sources:
    return Sources.given()


@pytest.fixture(scope="session")
def archives(at: Sources) -> dict[str, Path]:
    return {name: at.file(sources.shared(name)) for name in ("mediapipe", "scikit-image")}


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


@pytest.fixture
def cache(tmp_path: Path) -> Callable[..., Path]:
    """A cache that shares the named kinds of content with the user's own."""

    def share(*kinds: str) -> Path:
        root = tmp_path / "cache"
        root.mkdir()
        for kind in kinds:
            # zig's files are rewritten in place, so they are copied; the rest never changes.
            how = "-a" if kind == "zig" else "-al"
            subprocess.run(["cp", how, Store.default().root / kind, root / kind], check=True)
        return root

    return share
