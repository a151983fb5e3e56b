"""Run a Docker engine for the tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wheelhouse.machines import debian_packages

PROGRAMS = {
    "dockerd": "docker.io",
    "qemu-aarch64-static": "qemu-user-static",
    "update-binfmts": "binfmt-support",
}
BINFMT = Path("/proc/sys/fs/binfmt_misc")


@contextmanager
def daemon(data: Path, folder: Path) -> Iterator[str]:
    """Run an engine that stores images in ``data``; yields its address. Needs root."""
    socket = folder / "docker.sock"
    log = folder / "log"
    command: list[str | Path] = [
        *("dockerd", "--data-root", data, "--exec-root", folder / "exec"),
        *("--pidfile", folder / "pid", "-H", f"unix://{socket}"),
        *("--bridge", "none", "--iptables=false"),
    ]
    with log.open("w") as record:
        process = subprocess.Popen(command, stdout=record, stderr=record)
        try:
            for _ in range(300):
                if socket.exists():
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


def prepare() -> None:
    """Install the packages for an engine and arm64 containers, and register qemu in binfmt_misc."""
    debian_packages.ensure("The tests of the Docker engine", PROGRAMS)
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
    if not (BINFMT / "qemu-aarch64").exists():
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], check=True)
