"""Other machines that compile: a scheduler and servers of sccache-dist on the loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.compile_cache import free_port, running
from wheelhouse.compile import sccache
from wheelhouse.machines import debian_packages

PROGRAM = sccache.PROGRAM.with_name("sccache-dist")
CLIENT = "t0ken-of-clients"
FOREGROUND = {"SCCACHE_NO_DAEMON": "1"}

_OVERLAY = """\
set -e
cd "$1"
mkdir lower upper work target
mount -t overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" none "$1/target"
"""


def prepare(folder: Path) -> None:
    """Skip the test, by what is missing, where servers cannot run in that folder."""
    if os.geteuid() != 0:
        pytest.skip("servers of sccache-dist must run as root")
    debian_packages.ensure("A test of distributed compiling", {"bwrap": "bubblewrap"})
    place = folder / "overlay"
    place.mkdir(parents=True)
    mount: list[str | Path] = ["unshare", "-m", "sh", "-c", _OVERLAY, "sh", place]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    shutil.rmtree(place)
    if done.returncode:
        pytest.skip(f"no overlay can be mounted below {folder}: {done.stderr.strip()}")


@dataclass(frozen=True)
class Others:
    """A scheduler and its servers, each by its address, and their processes."""

    scheduler: str
    processes: dict[str, subprocess.Popen[bytes]]
    folder: Path
    servers: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The scheduler's address with the token."""
        return f"http://{CLIENT}@{self.scheduler}"

    def busy(self, server: str) -> bool:
        """Whether a server compiles something now."""
        return any((self.folder / server / "build" / "builds").iterdir())

    def kill(self, name: str) -> None:
        """Kill a server or the scheduler."""
        self.processes[name].kill()
        self.processes[name].wait()

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Meanwhile a server or the scheduler answers nothing."""
        self.processes[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[name].send_signal(signal.SIGCONT)


def _sccache_dist(*words: str | Path) -> str:
    done = subprocess.run([PROGRAM, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextmanager
def others(folder: Path, count: int = 2, bwrap: str = "") -> Iterator[Others]:
    """Run a scheduler with ``count`` servers; ``bwrap`` is their bubblewrap, if not Debian's."""
    folder.mkdir()
    port = free_port()
    scheduler = f"127.0.0.1:{port}"
    configured = folder / "scheduler.conf"
    configured.write_text(f"""\
public_addr = "{scheduler}"
[client_auth]
type = "token"
token = "{CLIENT}"
[server_auth]
type = "jwt_hs256"
secret_key = "{_sccache_dist("auth", "generate-jwt-hs256-key")}"
""")
    with ExitStack() as stack:
        command: list[str | Path] = [PROGRAM, "scheduler", "--config", configured]
        made = Others(scheduler, {}, folder)
        made.processes[scheduler] = stack.enter_context(running(command, port, **FOREGROUND))
        for _ in range(count):
            port = free_port()
            server = f"127.0.0.1:{port}"
            made.servers.append(server)
            token = ("auth", "generate-jwt-hs256-server-token", "--server", server)
            own = folder / server
            own.mkdir()
            (own / "server.conf").write_text(f"""\
public_addr = "{server}"
scheduler_url = "http://{scheduler}"
cache_dir = "{own}/toolchains"
[builder]
type = "overlay"
build_dir = "{own}/build"
bwrap_path = "{bwrap or shutil.which("bwrap")}"
[scheduler_auth]
type = "jwt_token"
token = "{_sccache_dist(*token, "--config", configured)}"
""")
            command = [PROGRAM, "server", "--config", own / "server.conf"]
            made.processes[server] = stack.enter_context(running(command, port))
        for _ in range(500):
            # The answer begins with the number of servers.
            if httpx.get(f"http://{scheduler}/api/v1/scheduler/status").content[0] == count:
                break
            time.sleep(0.02)
        yield made
    shutil.rmtree(folder)
