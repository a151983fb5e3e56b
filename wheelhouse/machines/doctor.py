"""What this machine has for each purpose, and the command that mends what it lacks."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from wheelhouse.common import process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.jobs import JOB_BYTES, jobs
from wheelhouse.common.process import Completed
from wheelhouse.common.root import ROOT
from wheelhouse.common.store import Store
from wheelhouse.machines import debian_packages, docker, images
from wheelhouse.sources import download
from wheelhouse.sources.download import UnreachableError
from wheelhouse.sources.mirrors import VARIABLE, debian_mirrors
from wheelhouse.targets import architectures, systems

DISK_BYTES = 6_000_000_000
"""Free bytes to ask for: a build of one TFLite release and the systems to verify it on."""

BUILDING = "building"

_NAMESPACES = (
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
)
"""Kernel settings, their values that forbid sandboxes, and the settings that allow them."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing that ``purpose`` needs; ``remedy`` is empty if it is there."""

    purpose: str
    subject: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        """One line, and a second one with the remedy if there is one."""
        state, then = ("missing", f"\n         {self.remedy}") if self.remedy else ("ok", "")
        return f"{state:8} {self.purpose}, {self.subject}: {self.found}{then}"


def machine() -> str:
    """This checkout's commit, the system, the kernel and the Python, in one line."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        commit = process.run(command).stdout.strip()
    except WheelhouseError:
        commit = ""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    kernel = f"Linux {platform.release()} on {platform.machine()}"
    return f"Commit {commit or 'unknown'}, {system}, {kernel}, Python {platform.python_version()}"


def examine(store: Store) -> Iterator[Finding]:
    """Everything that builds, emulation, containers and publishing need, one after the other."""
    for purpose, subject, look in (
        (BUILDING, "processor", lambda: architectures.native().name),
        (BUILDING, "jobs at once", _jobs),
        (BUILDING, "free disk space", lambda: _disk(store)),
        (BUILDING, "Debian mirror", _mirror),
        (BUILDING, "Python package index", _index),
        ("emulation", "Debian packages", _packages),
        ("emulation", "sandbox", _sandbox),
        ("containers", "Docker engine", _engine),
        ("publishing", "credentials", _credentials),
    ):
        yield _finding(purpose, subject, look)


def _finding(purpose: str, subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(purpose, subject, look())
    except WheelhouseError as error:
        return Finding(purpose, subject, error.what, error.hint)


def _jobs() -> str:
    free = psutil.virtual_memory().available
    count = jobs(len(os.sched_getaffinity(0)), free)
    told = f"{count}: {os.cpu_count()} processors, {free / 1e9:.1f} GB of memory available"
    if free < JOB_BYTES:
        raise WheelhouseError(
            f"{told}, and a compile may take {JOB_BYTES / 1e9:.0f} GB", "Close other programs."
        )
    return told


def _disk(store: Store) -> str:
    there = next(path for path in (store.root, *store.root.parents) if path.exists())
    free = shutil.disk_usage(there).free
    told = f"{free / 1e9:.0f} GB for the cache {store.root}"
    if not os.access(there, os.W_OK):
        raise WheelhouseError(
            f"This user cannot write into {there}", "Name another folder in WHEELHOUSE_CACHE."
        )
    if free < DISK_BYTES:
        raise WheelhouseError(
            f"{told}, and a build takes up to {DISK_BYTES / 1e9:.0f} GB",
            "`./inv cache --prune`, or name a folder on a larger disk in WHEELHOUSE_CACHE.",
        )
    return told


def _mirror() -> str:
    first, *others = debian_mirrors()
    remedy = f"Name one that does in {VARIABLE}, or build with --offline or --sources."
    try:
        if not download.exists(f"{first}/dists/stable/Release", attempts=1):
            raise WheelhouseError("has no Debian release", remedy)
    except UnreachableError as error:
        raise WheelhouseError(f"does not answer: {error}", remedy) from error
    return "answers" + (f" ({len(others)} more are known)" if others else "")


def _index() -> str:
    done = process.run([*process.PYTHON, "pip", "index", "versions", "pip", "--retries", "0"])
    if done.status:
        raise WheelhouseError(
            f"does not answer: {_reason(done)}",
            "Check the network and the index in pip's configuration, or build with --sources.",
        )
    return "answers"


def _reason(done: Completed) -> str:
    return process.failure_reason(done.status, (done.stdout + done.stderr).splitlines())


def _packages() -> str:
    if lacking := debian_packages.missing():
        raise WheelhouseError(
            f"missing: {', '.join(lacking)}", f"`{debian_packages.hint(lacking)}`"
        )
    return "all there"


def _sandbox() -> str:
    command = ["bwrap", "--ro-bind", "/", "/", "--unshare-user", "true"]
    done = process.run(command)
    if done.status:
        forbidding = (
            setting
            for path, value, setting in _NAMESPACES
            if Path(path).is_file() and Path(path).read_text().strip() == value
        )
        setting = next(forbidding, None)
        remedy = f"`sudo sysctl -w {setting}`" if setting else "Allow user namespaces."
        raise WheelhouseError(f"does not start: {_reason(done)}", remedy)
    return "starts"


def _engine() -> str:
    client = docker.connect()
    known = systems.debian()
    here = sum(docker.image_is_here(client, images.pi_name(system)) for system in known)
    told = f"answers, has {here} of {len(known)} systems"
    if here < len(known):
        raise WheelhouseError(told, "`./inv images`")
    return told


def _credentials() -> str:
    if not {"TWINE_USERNAME", "TWINE_PASSWORD"} <= os.environ.keys():
        raise WheelhouseError(
            "none in TWINE_USERNAME and TWINE_PASSWORD; the keyring is asked",
            "Set both, or `.venv/bin/keyring set ADDRESS USER`.",
        )
    return "in TWINE_USERNAME and TWINE_PASSWORD"
