"""Run a Docker engine for the tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wheelhouse.machines import binfmt, debian_packages
from wheelhouse.targets.architectures import architecture


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
    debian_packages.ensure("The tests of the Docker engine", {"dockerd": "docker.io"})
    binfmt.register(architecture("aarch64"))
