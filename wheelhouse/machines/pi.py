"""An arm64 system to run commands on: a sandbox of this machine, or a container of an engine.

Both have files of their own in the home folder, run as a given board, and differ in nothing that a
program could tell but this: in a container it can start other programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from docker import DockerClient

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.machines import docker, qemu
from wheelhouse.machines.docker import Box
from wheelhouse.machines.qemu import HOME, Emulated
from wheelhouse.targets.systems import Board


class Pi(Protocol):
    """What commands can be run on."""

    def run(self, command: Sequence[str], board: Board) -> Emulated:
        """Run a command in the home folder as on that board."""

    def fetch(self, name: str) -> None:
        """Bring a folder of the home folder to where the home folder came from."""


@dataclass(frozen=True)
class SandboxPi:
    """A tree on this machine; ``files`` are shown read-only at paths of the guest."""

    tree: Path
    work: Path
    files: Mapping[str, Path]

    def run(self, command: Sequence[str], board: Board) -> Emulated:
        """Run a command in the home folder, which is ``work``."""
        binds = {path: name for name, path in self.files.items()}
        return qemu.run(command, tree=self.tree, board=board, work=self.work, binds=binds)

    def fetch(self, name: str) -> None:
        """Do nothing: the home folder is ``work``."""


@dataclass(frozen=True)
class ContainerPi:
    """A container; its home folder began as a copy of ``work``."""

    box: Box
    work: Path

    def run(self, command: Sequence[str], board: Board) -> Emulated:
        """Run a command in the home folder."""
        done = self.box.run(list(command), env={"QEMU_CPU": board.qemu_cpu}, cwd=HOME)
        return Emulated(done.status, done.stdout, done.stderr)

    def fetch(self, name: str) -> None:
        """Copy a folder of the container's home folder to ``work``."""
        self.box.fetch(f"{HOME}/{name}", self.work / name)


@contextmanager
def container_pi(
    client: DockerClient, image: str, work: Path, files: Mapping[str, Path]
) -> Iterator[ContainerPi]:
    """A container with copies of ``files`` at paths of its own and of ``work`` as its home folder.

    Raises WheelhouseError if the engine's machine cannot run arm64 programs.
    """
    home = {f"{HOME}/{path.name}": path for path in work.iterdir()}
    try:
        with docker.box(client, image, docker.limits(client)) as box:
            box.send({**home, **files})
            yield ContainerPi(box, work)
    except WheelhouseError as error:
        if "exec format error" not in error.what:
            raise
        raise WheelhouseError(
            "The Docker engine cannot run arm64 programs.",
            "On its machine, as root: `apt-get install qemu-user-static binfmt-support`.",
            Kind.ENGINE,
        ) from error
