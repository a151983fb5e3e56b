"""Run commands in containers of a Docker engine, on this machine or on another.

Files are copied in and out as tar streams over the engine's API: no folder of this machine is
mounted, only volumes of the engine (:mod:`volumes`). A container has no network, no capabilities
and bounded memory and processors. It is always removed, even if this process is killed, because it
ends when its standard input is closed.
"""

from __future__ import annotations

import io
import os
import signal
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import Mount, Ulimit
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.jobs import JOB_BYTES, jobs
from wheelhouse.common.process import Completed
from wheelhouse.common.store import disk_space
from wheelhouse.sources import archives

USER = "1000:1000"
"""The user and group of every container: builder in the builder image, pi in the others."""

TIMEOUT = 600
"""The longest time, in seconds, that the engine may send nothing."""

LABEL = "tflite-wheelhouse"
"""The label of every container, volume and intermediate image, and the folder of images' names."""

_SOCKET = "/var/run/docker.sock"
_PROCESSES = 4096
# Without these, podman raises both limits to its own, which some machines forbid.
_ULIMITS = [Ulimit(name=name, soft=_PROCESSES, hard=_PROCESSES) for name in ("nofile", "nproc")]
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Limits:
    """How much a container may use: ``memory`` in bytes, and a number of processors."""

    memory: int
    processors: int


@dataclass(frozen=True)
class Box:
    """A running container."""

    client: DockerClient
    container: Container
    limits: Limits

    def send(self, files: Mapping[str, Path]) -> None:
        """Copy files and folders to absolute paths of the container; its user will own them.

        ``__pycache__`` folders are left out. Raises WheelhouseError if the engine fails.
        """
        scratch = Path(tempfile.gettempdir())
        with disk_space(scratch), tempfile.TemporaryFile(dir=scratch) as stream:
            with tarfile.open(fileobj=stream, mode="w") as tar:
                for folder in _parents(files):
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(_owned(entry))
                for name, path in files.items():
                    tar.add(path, name, filter=_without_pycache)
            stream.seek(0)
            with explained():
                self.container.put_archive("/", stream)

    def fetch(self, path: str, folder: Path) -> None:
        """Copy the content of a folder of the container into ``folder``; it may be absent.

        Raises WheelhouseError if the engine fails.
        """
        with explained(), suppress(NotFound):
            blocks, _ = self.container.get_archive(path)
            feed = io.BufferedReader(archives.BlockReader(blocks), 1 << 20)
            archives.untar(feed, folder, strip=1, keep=())

    def run(
        self,
        command: list[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str,
        line: Callable[[str], None] = lambda text: None,
    ) -> Completed:
        """Run a command to its end; call ``line`` with each line of its standard error.

        Raises WheelhouseError if the command was killed for lack of memory, if the container ended,
        or if the engine fails.
        """
        api = self.client.api
        started = time.time()
        output: dict[bool, list[bytes]] = {False: [], True: []}
        rest = b""
        status: int | None = None
        with explained():
            job = api.exec_create(
                self.container.id, command, environment=dict(env or {}), workdir=cwd
            )["Id"]
            for stdout, stderr in api.exec_start(job, stream=True, demux=True):
                output[False].append(stdout or b"")
                output[True].append(stderr or b"")
                *lines, rest = (rest + (stderr or b"")).split(b"\n")
                for text in lines:
                    line(text.decode(errors="replace"))
            with suppress(NotFound):  # podman forgets a job with its container
                status = api.exec_inspect(job)["ExitCode"]
            status = self._checked(started, status)
        out, err = (b"".join(output[kind]).decode(errors="replace") for kind in (False, True))
        return Completed(status, out, err)

    def freeze(self) -> None:
        """Pause all processes of the container; its files can still be fetched."""
        with explained():
            self.container.pause()

    def _checked(self, started: float, status: int | None) -> int:
        """The exit status, unless the command was killed."""
        if status == 0:
            return 0
        if self._out_of_memory(started):
            raise WheelhouseError(
                "The container ran out of memory: it may use "
                f"{self.limits.memory / 1e9:.1f} GB for {self.limits.processors} jobs at once.",
                "Lower the jobs (WHEELHOUSE_JOBS=1) or give the engine more memory, then run the "
                "same command again.",
                Kind.ENGINE,
                "container-memory",
            )
        if status in (None, _KILLED):
            raise WheelhouseError(
                "The container was killed from outside.",
                "Run the same command again; what was compiled is kept. If it was killed for lack "
                "of memory, which podman does not report, lower the jobs (WHEELHOUSE_JOBS=1).",
                Kind.ENGINE,
                "container-memory",
            )
        return status

    def _out_of_memory(self, started: float) -> bool:
        filters = {"container": self.container.id, "event": "oom"}
        events = self.client.events(
            since=int(started), until=int(time.time()) + 1, filters=filters, decode=True
        )
        return any(True for _ in events)


def connect() -> DockerClient:
    """The engine of ``DOCKER_HOST``, else of Docker's current context, else of the usual socket.

    Raises WheelhouseError if it does not answer or refuses this user.
    """
    try:
        client = DockerClient(**_address(), timeout=TIMEOUT, use_ssh_client=True)
        client.ping()
    except (DockerException, RequestException) as error:
        where = _address().get("base_url", _SOCKET)
        if "PermissionError" in repr(error):
            raise WheelhouseError(
                f"This user may not use the Docker engine at {where}.",
                "Run `sudo usermod -aG docker $USER`, log out and in again (members of that group "
                "can do all that root can), or use a rootless engine, or `--engine host`.",
                Kind.ENGINE,
                "docker-engine",
            ) from error
        raise WheelhouseError(
            f"No Docker engine answers at {where}.",
            "Start it (`sudo systemctl start docker`), or name another in DOCKER_HOST, or use "
            "`--engine host`, which needs none.",
            Kind.ENGINE,
            "docker-engine",
        ) from error
    return client


def answers() -> bool:
    """Whether an engine answers and this user may use it."""
    try:
        connect().close()
    except WheelhouseError:
        return False
    return True


@contextmanager
def box(
    client: DockerClient,
    image: str,
    limits: Limits,
    mounts: Sequence[Mount] = (),
    name: str | None = None,
) -> Iterator[Box]:
    """A running container of an image that the engine has; removed after the ``with`` block.

    ``mounts`` are volumes. A container with a ``name`` waits until an older one of that name is
    removed. Raises WheelhouseError if the engine fails.
    """
    with explained():
        container = _create(
            client,
            name,
            image=image,
            command=["sh", "-c", "read _"],
            stdin_open=True,
            auto_remove=True,
            user=USER,
            network_mode="none",
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            nano_cpus=limits.processors * 10**9,
            pids_limit=_PROCESSES,
            ulimits=_ULIMITS,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            labels=[LABEL],
            mounts=[*mounts],
        )
    try:
        with explained():
            lifeline = container.attach_socket(params={"stdin": 1, "stream": 1})
            container.start()
        with closing(lifeline):
            yield Box(client, container, limits)
    finally:
        _remove(container)


def limits(client: DockerClient) -> Limits:
    """How much of the engine's machine a build may use: a processor and JOB_BYTES for each job.

    One more JOB_BYTES is for everything else. ``WHEELHOUSE_JOBS`` overrides the number of jobs.
    """
    with explained():
        machine = client.info()
    count = jobs(machine["NCPU"], machine["MemTotal"] - JOB_BYTES)
    return Limits(min(machine["MemTotal"], (count + 1) * JOB_BYTES), min(count, machine["NCPU"]))


def image_is_here(client: DockerClient, name: str) -> bool:
    """Whether the engine has an image of that name; raises WheelhouseError if the engine fails."""
    with explained():
        try:
            client.images.get(name)
        except ImageNotFound:
            return False
    return True


def image_names(client: DockerClient) -> set[str]:
    """The names of this project's images; raises WheelhouseError if the engine fails."""
    with explained():
        names = {str(tag) for image in client.images.list() for tag in image.tags}
    return {name for name in names if name.startswith(f"{LABEL}/")}


def remove_image(client: DockerClient, name: str) -> bool:
    """Remove an image; False if a container uses it.

    Raises WheelhouseError if the engine fails.
    """
    with explained():
        try:
            client.images.remove(name)
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            return False
    return True


def make_image(
    client: DockerClient,
    name: str,
    context: Mapping[str, Path],
    *,
    architecture: str,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    line: Callable[[str], None],
) -> None:
    """Build an image from the files of ``context``, one of them ``Dockerfile``.

    ``architecture`` is Docker's name of it, for example arm64. ``arguments`` are build arguments,
    which stay readable in the image. ``line`` is called with each line of the engine's output.
    Raises WheelhouseError with the engine's reason.
    """
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for place, path in context.items():
                tar.add(path, place)
        stream.seek(0)
        output = []
        with explained():
            for event in client.api.build(
                fileobj=stream,
                custom_context=True,
                tag=name,
                platform=f"linux/{architecture}",
                buildargs=dict(arguments),
                labels=dict(labels),
                rm=True,
                forcerm=True,
                decode=True,
            ):
                if text := event.get("stream", "").strip():
                    output.append(text)
                    line(text)
                if "error" in event:
                    raise DockerException("\n".join([*output[-3:], event["error"].strip()]))
            client.images.prune({"dangling": True, "label": f"{LABEL}=stage"})


def _create(client: DockerClient, name: str | None, **options: Any) -> Container:
    """A new container; one with a name waits as long as another has that name."""
    while True:
        try:
            return client.containers.create(name=name, **options)
        except APIError as error:
            if not name or error.status_code != HTTPStatus.CONFLICT:
                raise
        console.say(f"Another build uses the container {name}; waiting for it")
        with suppress(NotFound):
            client.containers.get(name).wait(condition="removed", timeout=None)


def _remove(container: Container) -> None:
    """Remove a container and wait until it is gone.

    An engine that is away removes it when it starts again.
    """
    with suppress(NotFound, RequestException):
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if "already in progress" not in str(error.explanation):
                raise
            container.wait(condition="removed")


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the engine into WheelhouseError."""
    try:
        yield
    except ImageNotFound as error:
        raise WheelhouseError(
            f"The Docker engine has lost an image: {error.explanation}",
            "Run the same command again; it makes the image, as `invoke images` does.",
            Kind.ENGINE,
        ) from error
    except APIError as error:
        raise _failed(str(error.explanation)) from error
    except (RequestException, HTTPException, HTTPError, ConnectionError) as error:
        raise WheelhouseError(
            f"The Docker engine went away: {error}",
            "Start it again (`sudo systemctl start docker`), or reach it again, and run the same "
            "command again; finished steps are kept.",
            Kind.ENGINE,
        ) from error
    except (DockerException, *archives.BROKEN) as error:
        raise _failed(str(error)) from error


def _failed(reason: str) -> WheelhouseError:
    if "no space left on device" in reason:
        return disk_full()
    return WheelhouseError(
        f"The Docker engine failed: {reason}",
        "Correct the cause and run the same command again.",
        Kind.ENGINE,
    )


def disk_full() -> WheelhouseError:
    """The error for a full disk of the engine."""
    return WheelhouseError(
        "The disk of the Docker engine is full.",
        "Free some space there (`docker system df` shows what takes it; a build needs 4 GB), then "
        "run the same command again; finished steps are kept.",
        Kind.DISK,
        "full-disk",
    )


def _address() -> dict[str, Any]:
    if "DOCKER_HOST" in os.environ:
        return {**kwargs_from_env()}
    name = os.environ.get("DOCKER_CONTEXT")
    context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    if context is None:
        raise WheelhouseError(
            f"There is no Docker context named {name}.",
            "`docker context ls` lists them.",
            Kind.ENGINE,
        )
    return {"base_url": context.Host, "tls": context.TLSConfig}


def _parents(files: Mapping[str, Path]) -> list[str]:
    """The folders above ``files``, without the root's and the folders in it: images have those."""
    parents = {parent for name in files for parent in Path(name).parents}
    return sorted(str(path) for path in parents if len(path.parts) > 2)


def _without_pycache(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else _owned(entry)


def _owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid, entry.gid = map(int, USER.split(":"))
    entry.uname = entry.gname = ""
    return entry
