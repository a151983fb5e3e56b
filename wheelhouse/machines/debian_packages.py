"""The Debian packages that steps need, mostly for emulation; root installs them on first use.

qemu must be Debian 12's dynamically linked ``qemu-user``: static builds load no plugins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.sources.mirrors import KEYRING
from wheelhouse.targets import architectures

_LISTS = Path("/var/lib/apt/lists")


def emulation() -> dict[str, str]:
    """The programs that emulation runs, each with its Debian package."""
    emulators = (each.qemu for each in architectures.architectures() if each.qemu)
    return {
        **{qemu.program: qemu.package for qemu in emulators},
        "bwrap": "bubblewrap",
        "mmdebstrap": "mmdebstrap",
    }


def missing(programs: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The Debian packages whose program is not on PATH; ``programs`` default to emulation's.

    A program may be any file, by its absolute path.
    """
    required = emulation() if programs is None else programs
    packages = [package for name, package in required.items() if not shutil.which(name, os.F_OK)]
    if programs is None and not KEYRING.exists():
        packages.append("debian-archive-keyring")
    return tuple(dict.fromkeys(packages))


def install_command(packages: Sequence[str]) -> tuple[str, ...]:
    """The command that installs the packages, as root."""
    return ("apt-get", "install", "--yes", "--no-install-recommends", *packages)


def hint(packages: Sequence[str]) -> str:
    """The command line with which an ordinary user installs the packages."""
    return " ".join(("sudo", *install_command(packages)))


def ensure(purpose: str = "Emulation", programs: Mapping[str, str] | None = None) -> None:
    """Install what ``programs`` lack, if this is root; they default to emulation's.

    ``purpose`` is the error's subject. Raises WheelhouseError with the command to run if this is
    not root, and if apt-get fails.
    """
    packages = missing(programs)
    if not packages:
        return
    names = ", ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise WheelhouseError(
            f"{purpose} needs the Debian packages {names}.",
            hint(packages),
            Kind.MACHINE,
            "debian-packages",
        )
    console.say(f"Installing the Debian packages {names}")
    if not any(_LISTS.glob("*Release")):
        _apt_get(("apt-get", "update"))
    _apt_get(install_command(packages))


def _apt_get(command: Sequence[str]) -> None:
    done = process.run(command, env={"DEBIAN_FRONTEND": "noninteractive"})
    if done.status:
        log = Store.default().log(command[0])
        raise process.failure(
            f"`{' '.join(command)}` failed",
            done,
            log,
            "Correct the cause and try again.",
            kind=Kind.MACHINE,
        )
