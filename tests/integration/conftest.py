"""A mirror on loopback, and real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support import REPO
from tests.support.browser import Open, running_browser
from tests.support.hosting import Host
from tests.support.mirror import Mirror
from tests.support.running import Task, Until
from wheelhouse.common.store import Store


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    server = Mirror()
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", server.url)
    yield server
    server.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that downloads would have waited between attempts."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture(scope="session")
def zig_cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment for compiles: zig's libraries are shared, for their compile is slow."""
    copies = tmp_path_factory.mktemp("zig")
    return {
        "ZIG_GLOBAL_CACHE_DIR": str(Store.default().root / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(copies),
    }


@pytest.fixture
def until() -> Until:
    """Wait, 20 s at most, until a condition holds."""

    def wait(condition: Callable[[], object]) -> None:
        for _ in range(2000):
            if condition():
                return
            time.sleep(0.01)
        pytest.fail("waited 20 s in vain")

    return wait


@pytest.fixture
def task() -> Iterator[Task]:
    """Start Python code as a task of its own process, with ``tasks.task``'s manner of failing.

    The process leads its own group. ``through`` is a command to start it with.
    """
    started = []

    def start(code: str, through: Sequence[str] = (), **env: str) -> subprocess.Popen[str]:
        lines = "".join(f"    {line}\n" for line in code.strip().splitlines())
        script = (
            "from pathlib import Path\n"
            "from tasks import task\n"
            f"@task()\ndef it(_):\n{lines}"
            "from invoke.context import Context\n"
            "it(Context())\n"
        )
        process = subprocess.Popen(
            [*through, sys.executable, "-c", script],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def small_disk() -> list[str]:
    """A command that runs another on a full and then on an enlarged disk, both of them real."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    script = """
        mount -t tmpfs -o size=1m none "$WHEELHOUSE_CACHE"
        "$@"; echo "status $?"; echo "---" >&2
        mount -o remount,size=64m none "$WHEELHOUSE_CACHE"
        "$@"; echo "status $?"
    """
    return [*unshare, "sh", "-c", script, "sh"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open a page of a host, its front page if none is named, in a fresh window."""
    contexts = []

    def open_(host: Host, where: str = "", **settings: object) -> Page:
        contexts.append(browser.new_context(**settings))  # type: ignore[arg-type]
        contexts[-1].set_default_timeout(5000)
        page = contexts[-1].new_page()
        page.goto(f"{host.url}/{where}")
        return page

    yield open_
    for context in contexts:
        context.close()
