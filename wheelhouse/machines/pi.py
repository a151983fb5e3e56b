"""Run commands on a system: in a sandbox on this machine, or in a container of an engine.

Both have a home folder of their own, and emulate a given board unless its processor is the
machine's. A program can tell them apart by one thing only: in a container an emulated program can
start others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from docker import DockerClient

from wheelhouse.machines import docker, qemu
from wheelhouse.machines.docker import Box
from wheelhouse.machines.qemu import HOME, Emulated
from wheelhouse.targets.systems import Board


class Pi(Protocol):
    """A running system with a home folder, for one or several boards."""

    def run(self, command: Sequence[str], board: Board) -> Emulated:
        """Run a command in the home folder as on ``board``.

        Raises WheelhouseError if it cannot be run to its end.
        """

    def fetch(self, name: str) -> None:
        """Copy a folder of the home folder back to this machine's folder of the same name."""


@dataclass(frozen=True)
class SandboxPi:
    """A sandbox in a root file system, ``tree``, whose home folder is ``work``.

    ``files`` are mounted read-only at the guest's paths that are their keys.
    """

    tree: Path
    work: Path
    files: Mapping[str, Path]

    def run(self, command: Sequence[str], board: Board) -> Emulated:
        """Run a command in the home folder as on ``board``; see :func:`qemu.run`."""
        binds = {path: name for name, path in self.files.items()}
        return qemu.run(command, tree=self.tree, board=board, work=self.work, binds=binds)

    def fetch(self, name: str) -> None:
        """Do nothing: the home folder is ``work``."""


@dataclass(frozen=True)
class ContainerPi:
    """A container whose home folder was copied from ``work``."""

    box: Box
    work: Path

    def run(self, command: Sequence[str], board: Board) -> Emulated:
        """Run a command in the home folder as on ``board``; see :meth:`Box.run`."""
        env = {"QEMU_CPU": board.qemu_cpu} if board.emulated else {}
        done = self.box.run(list(command), env=env, cwd=HOME)
        return Emulated(done.status, done.stdout, done.stderr)

    def fetch(self, name: str) -> None:
        """Copy a folder of the container's home folder to ``work``."""
        (self.work / name).mkdir(exist_ok=True)
        self.box.fetch(f"{HOME}/{name}", self.work / name)


@contextmanager
def container_pi(
    client: DockerClient, image: str, work: Path, files: Mapping[str, Path]
) -> Iterator[ContainerPi]:
    """A running container; its home folder is a copy of ``work``.

    ``files`` are copied to the container's paths that are their keys. Raises WheelhouseError if the
    engine fails.
    """
    home = {f"{HOME}/{path.name}": path for path in work.iterdir()}
    with docker.box(client, image, docker.limits(client)) as box:
        box.send({**home, **files})
        yield ContainerPi(box, work)
