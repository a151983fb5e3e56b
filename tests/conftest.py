from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from docker import DockerClient
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support import REPO, copy_of_project
from tests.support.daemon import daemon, prepare
from tests.support.running import Cli, Copied
from wheelhouse.common.process import Completed
from wheelhouse.common.step import Step, get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile import cxx
from wheelhouse.machines import docker
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher

pytest_plugins = ("tests.support.tiers",)

# A shell ignores SIGINT in what it starts in the background, and so would all that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CONTAINED = ("test_containers.py", "test_docker.py", "test_readme.py")


class _Schedule(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests run in one process, and all that use a Docker engine in one as well."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "docker" if file.endswith(CONTAINED) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return _Schedule(config, log)


def pytest_collection_finish() -> None:
    """Tests stay to the end, so the garbage collector need not look through them every time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def loopback() -> Iterator[None]:
    """The tests' own servers are asked directly, whatever proxy the user has."""
    told = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, ",".join(filter(None, (told, "127.0.0.1"))))
        yield


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def fetcher() -> Fetcher:
    """What this project takes from elsewhere, out of the user's cache or from the network."""
    return Fetcher.from_options()


@pytest.fixture(scope="session")
def archives(fetcher: Fetcher) -> dict[str, Path]:
    """The archives that models and the photograph are in."""
    return {name: fetcher.file(pins.shared(name)) for name in ("mediapipe", "scikit-image")}


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run ``invoke`` as a user does; ``through`` is a command to start it with."""

    def run(*words: str, through: tuple[str, ...] = (), cwd: Path = REPO, **env: str) -> Completed:
        done = subprocess.run(
            [*through, sys.executable, "-m", "invoke", *words],
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Completed(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of this project that has a wheels/ folder of its own."""
    return copy_of_project(tmp_path / "project")


def _lasting(client: DockerClient) -> tuple[set[str], set[str]]:
    """The volumes without our label and the images without a name that an engine holds."""
    untagged = client.images.list(filters={"dangling": True})
    unknown = [
        each for each in client.volumes.list() if docker.LABEL not in (each.attrs["Labels"] or {})
    ]
    return {str(each.id) for each in unknown}, {str(each.id) for each in untagged}


@pytest.fixture(scope="session")
def engine(cli: Cli) -> Iterator[DockerClient]:
    """A Docker engine that has all images, made from Debian's archive, and keeps nothing else.

    In CI it is one of the tests' own, elsewhere the contributor's.
    """
    with ExitStack() as stack:
        if "CI" in os.environ and "DOCKER_HOST" not in os.environ:
            prepare()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            address = stack.enter_context(daemon(Store.default().root / "engine", folder))
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("DOCKER_HOST", address)
        elif not docker.answers():
            pytest.skip("no Docker engine answers; CI starts one of its own")
        client = docker.connect()
        before = _lasting(client)
        done = cli("images", "--bootstrap")
        assert done.status == 0, done.stderr
        yield client
        assert client.containers.list(all=True, filters={"label": docker.LABEL}) == []
        assert _lasting(client) == before


@pytest.fixture
def cache(tmp_path: Path) -> Callable[..., Path]:
    """A cache that shares the named kinds of content with the user's own."""

    def share(*kinds: str) -> Path:
        root = tmp_path / "cache"
        root.mkdir()
        if "cxx" in kinds:  # nothing makes it for modules that are cached
            get_or_make(cxx.libraries("aarch64", "2.17"), Fetcher(Store.default()))
        for kind in kinds:
            subprocess.run(["cp", "-al", Store.default().root / kind, root / kind], check=True)
        return root

    return share


@pytest.fixture
def copied() -> Copied:
    """Copy what a step makes, and its seal, from the user's own cache into another one."""

    def copy(step: Step, store: Store) -> Path:
        made, final = get_or_make(step, Fetcher(Store.default())), store.path(step.entry)
        final.parent.mkdir(parents=True)
        subprocess.run(["cp", "-a", made, Store.default().seal(made), final.parent], check=True)
        return final

    return copy
