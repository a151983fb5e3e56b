"""Let a Docker engine run programs of another processor: its kernel must know an emulator.

The kernel of the engine's machine starts the emulators that are registered in binfmt_misc. Root can
register qemu there, on that machine only.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.machines import debian_packages
from wheelhouse.machines.docker import LABEL, explained
from wheelhouse.targets.architectures import Architecture

FOLDER = Path("/proc/sys/fs/binfmt_misc")
_HERE = "http+docker://localhost"
_NO_EMULATOR = "exec format error"


def runs(client: DockerClient, image: str) -> bool:
    """Whether the engine can run ``/bin/true`` of an image; raises WheelhouseError if it fails."""
    with explained():
        container = client.containers.create(
            image, ["/bin/true"], network_mode="none", labels=[LABEL]
        )
        try:
            container.start()
            return bool(container.wait()["StatusCode"] == 0)
        except APIError as error:
            if _NO_EMULATOR not in str(error.explanation):
                raise
            return False
        finally:
            container.remove(force=True)


def is_this_machine(client: DockerClient) -> bool:
    """Whether an engine runs on this machine, and with its kernel."""
    with explained():
        engine = client.info()
    here = (platform.node(), platform.release())
    return client.api.base_url == _HERE and (engine["Name"], engine["KernelVersion"]) == here


def register(architecture: Architecture) -> None:
    """Register qemu with this machine's kernel, as root; install it and mount binfmt_misc before.

    Raises WheelhouseError if that fails.
    """
    if not architecture.qemu:
        raise unable(architecture, "architectures.toml names no emulator")
    qemu = architecture.qemu.program
    programs = {f"{qemu}-static": "qemu-user-static", "update-binfmts": "binfmt-support"}
    debian_packages.ensure(f"A Docker engine for {architecture.debian} programs", programs)
    console.say(f"Registering {qemu} with the kernel")
    if not (FOLDER / "register").exists():
        _run(architecture, "mount", "-t", "binfmt_misc", "binfmt_misc", str(FOLDER))
    if not (FOLDER / qemu).exists():
        _run(architecture, "update-binfmts", "--enable", qemu)


def _run(architecture: Architecture, *command: str) -> None:
    done = process.run(command)
    if done.status:
        reason = process.failure_reason(done.status, done.stderr.splitlines())
        raise unable(architecture, f"`{' '.join(command)}`: {reason}")


def ensure(client: DockerClient, image: str, architecture: Architecture) -> None:
    """Let the engine run programs of an architecture, of which ``image`` is.

    Raises WheelhouseError with what to install if it cannot, and this process must not register
    qemu.
    """
    if runs(client, image):
        return
    if os.geteuid() == 0 and is_this_machine(client):
        register(architecture)
        if runs(client, image):
            return
    raise unable(architecture)


def unable(architecture: Architecture, reason: str = "") -> WheelhouseError:
    """The error for an engine that cannot run programs of an architecture."""
    name = architecture.qemu.program if architecture.qemu else architecture.debian
    return WheelhouseError(
        f"The Docker engine cannot run {architecture.debian} programs"
        + (f": {reason}" if reason else "."),
        "On its machine, as root: `apt-get install qemu-user-static binfmt-support`, and where "
        f"{FOLDER} is empty `mount -t binfmt_misc binfmt_misc {FOLDER}` and `update-binfmts "
        f"--enable {name}`. `--engine host` needs none of this, nor does `--no-verify`.",
        Kind.ENGINE,
    )
