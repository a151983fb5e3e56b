"""Keep folders on a Docker engine, each in a volume of its own, so that they are sent only once.

A volume's name has a digest of its content. It is filled by one container at a time, whoever
started that, and then marked; until then it counts for nothing. Builds mount it read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError
from docker.types import Mount
from requests.exceptions import RequestException

from wheelhouse.common import console
from wheelhouse.machines import docker
from wheelhouse.machines.docker import LABEL, Box, Limits, explained

KEY = f"{LABEL}.key"
"""The label of a volume that tells for which key it is kept."""

_SENDER = f"{LABEL}-sender"
"""The name of the container that fills volumes. An engine has only one of that name."""

_MARK = ".sent"
"""The empty folder in a volume that is complete; no digest of a folder sees empty folders."""

_UNMARKED = f'for each do test -d "$each/{_MARK}" || echo "$each"; done'


@dataclass(frozen=True)
class Kept:
    """A folder to keep on the engine.

    ``folder`` returns where it is on this machine, when it has to be sent. ``key`` tells when it
    is not needed any more, see :func:`prune`.
    """

    volume: str
    key: str
    folder: Callable[[], Path]

    def mount(self, path: str, *, read_only: bool) -> Mount:
        """How a container mounts it; the engine makes a volume that does not exist."""
        labels = {LABEL: "kept", KEY: self.key}
        return Mount(path, self.volume, read_only=read_only, labels=labels)


@contextmanager
def box(
    client: DockerClient, image: str, limits: Limits, kept: Mapping[str, Kept]
) -> Iterator[Box]:
    """A running container with folders at absolute paths; those that the engine lacks are sent.

    Raises WheelhouseError if the engine fails.
    """
    mounts = [each.mount(path, read_only=True) for path, each in kept.items()]
    if {each.volume for each in kept.values()} <= _names(client):
        with docker.box(client, image, limits, mounts) as built:
            if not _unmarked(built, kept):
                yield built
                return
    _send(client, image, limits, kept)
    with docker.box(client, image, limits, mounts) as built:
        yield built


def _names(client: DockerClient) -> set[str]:
    with explained():
        return {str(each.name) for each in client.volumes.list(filters={"label": LABEL})}


def _unmarked(box: Box, kept: Mapping[str, Kept]) -> list[str]:
    """The paths of volumes that are not complete."""
    return box.run(["sh", "-c", _UNMARKED, "sh", *kept], cwd="/").stdout.splitlines()


def _send(client: DockerClient, image: str, limits: Limits, kept: Mapping[str, Kept]) -> None:
    mounts = [each.mount(path, read_only=False) for path, each in kept.items()]
    unsent: list[str] = []
    try:
        with docker.box(client, image, limits, mounts, name=_SENDER) as sender:
            unsent = _unmarked(sender, kept)
            with console.steps("Sending what the engine lacks") as bar:
                for number, path in enumerate(tuple(unsent), 1):
                    sender.send({path: kept[path].folder()})
                    sender.run(["mkdir", f"{path}/{_MARK}"], cwd="/")
                    unsent.remove(path)
                    bar.update(number, number + len(unsent))
    finally:
        for path in unsent:
            _remove(client, kept[path].volume)


def _remove(client: DockerClient, volume: str) -> bool:
    """Remove a volume; False if a container uses it or the engine is away."""
    with suppress(APIError, RequestException):
        client.volumes.get(volume).remove()
        return True
    return False


def prune(client: DockerClient, needed: Set[str]) -> int:
    """Remove the volumes that no container uses and whose key is not needed; how many there were.

    Raises WheelhouseError if the engine fails.
    """
    with explained():
        found = client.volumes.list(filters={"label": KEY})
    idle = [each for each in found if each.attrs["Labels"][KEY] not in needed]
    return sum(_remove(client, str(each.name)) for each in idle)
