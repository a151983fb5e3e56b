"""Run commands in containers of a Docker engine, on this machine or on another.

Files go in and come out as tar streams over the engine's API: no folder of this machine is
mounted. A container has no network, no capability and bounded memory and processors, and is
removed however its use ends, even if this process is killed: it lives as long as its standard
input is held open.
"""

from __future__ import annotations

import io
import os
import signal
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import Ulimit
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.jobs import JOB_BYTES, jobs
from wheelhouse.common.process import Completed
from wheelhouse.sources import archives

USER = "1000:1000"
"""Who runs in every container: builder in the builder image, pi in the others."""

TIMEOUT = 600
"""How long, in seconds, the engine may be silent."""

LABEL = "tflite-wheelhouse"
_SOCKET = "/var/run/docker.sock"
_PROCESSES = 4096
# podman would raise both, which not every machine lets it do.
_ULIMITS = [Ulimit(name=name, soft=_PROCESSES, hard=_PROCESSES) for name in ("nofile", "nproc")]
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Limits:
    """What a container may use: bytes of memory, and processors."""

    memory: int
    processors: int


@dataclass(frozen=True)
class Box:
    """A running container."""

    client: DockerClient
    container: Container
    limits: Limits

    def send(self, files: Mapping[str, Path]) -> None:
        """Copy files and folders to absolute paths of the container, for its user to own."""
        with tempfile.TemporaryFile() as stream:
            with tarfile.open(fileobj=stream, mode="w") as tar:
                for folder in _parents(files):
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(_owned(entry))
                for name, path in files.items():
                    tar.add(path, name, filter=_wanted)
            stream.seek(0)
            with _explained():
                self.container.put_archive("/", stream)

    def fetch(self, path: str, folder: Path) -> None:
        """Copy what lies in a folder of the container into ``folder``; nothing if it is absent."""
        with _explained(), suppress(NotFound):
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
        """Run a command to its end and hand each line of its standard error to ``line``.

        Raises WheelhouseError if it was killed for lack of memory, or the container ended.
        """
        api = self.client.api
        started = time.time()
        output: dict[bool, list[bytes]] = {False: [], True: []}
        rest = b""
        status: int | None = None
        with _explained():
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
            status = self._alive(started, status)
        out, err = (b"".join(output[kind]).decode(errors="replace") for kind in (False, True))
        return Completed(status, out, err)

    def freeze(self) -> None:
        """Let nothing in the container go on; its files can still be fetched."""
        with _explained():
            self.container.pause()

    def _alive(self, started: float, status: int | None) -> int:
        if status == 0:
            return 0
        if self._out_of_memory(started):
            raise WheelhouseError(
                "The container was out of memory: it may use "
                f"{self.limits.memory / 1e9:.1f} GB for {self.limits.processors} jobs at once.",
                "Lower the jobs (WHEELHOUSE_JOBS=1) or give the engine more memory, then run the "
                "same command again.",
                Kind.ENGINE,
            )
        if status in (None, _KILLED):
            raise WheelhouseError(
                "The container was killed from outside.",
                "Run the same command again; what was compiled is kept. If it was killed for lack "
                "of memory, which podman does not tell, lower the jobs (WHEELHOUSE_JOBS=1).",
                Kind.ENGINE,
            )
        return status

    def _out_of_memory(self, started: float) -> bool:
        about = {"container": self.container.id, "event": "oom"}
        seen = self.client.events(
            since=int(started), until=int(time.time()) + 1, filters=about, decode=True
        )
        return any(True for _ in seen)


def connect() -> DockerClient:
    """The engine that ``DOCKER_HOST``, Docker's current context or the usual socket names.

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
            ) from error
        raise WheelhouseError(
            f"No Docker engine answers at {where}.",
            "Start it (`sudo systemctl start docker`), or name another in DOCKER_HOST, or use "
            "`--engine host`, which needs none.",
            Kind.ENGINE,
        ) from error
    return client


def answers() -> bool:
    """Whether there is an engine that this user may use."""
    try:
        connect().close()
    except WheelhouseError:
        return False
    return True


@contextmanager
def box(client: DockerClient, image: str, limits: Limits) -> Iterator[Box]:
    """A container of an image that is there already, until the end of the ``with`` block."""
    with _explained():
        container = client.containers.create(
            image,
            ["sh", "-c", "read _"],
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
        )
    try:
        with _explained():
            lifeline = container.attach_socket(params={"stdin": 1, "stream": 1})
            container.start()
        with closing(lifeline):
            yield Box(client, container, limits)
    finally:
        _remove(container)


def limits(client: DockerClient) -> Limits:
    """What the engine's machine can give to one build: a processor and JOB_BYTES for each job.

    ``WHEELHOUSE_JOBS`` says how many jobs instead. One more JOB_BYTES is for all around them.
    """
    machine = client.info()
    count = jobs(machine["NCPU"], machine["MemTotal"] - JOB_BYTES)
    return Limits(min(machine["MemTotal"], (count + 1) * JOB_BYTES), min(count, machine["NCPU"]))


def image_is_here(client: DockerClient, name: str) -> bool:
    """Whether the engine has an image of that name."""
    with _explained():
        try:
            client.images.get(name)
        except ImageNotFound:
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

    ``arguments`` are the Dockerfile's own, and stay readable in the image. Raises WheelhouseError
    with the engine's reason.
    """
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for place, path in context.items():
                tar.add(path, place)
        stream.seek(0)
        said = []
        with _explained():
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
                    said.append(text)
                    line(text)
                if "error" in event:
                    raise DockerException("\n".join([*said[-3:], event["error"].strip()]))
            client.images.prune({"dangling": True, "label": f"{LABEL}=stage"})


def _remove(container: Container) -> None:
    """Remove a container that may be on its way out already."""
    with suppress(NotFound):
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if "already in progress" not in str(error.explanation):
                raise


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the engine says into a failure with a remedy."""
    try:
        yield
    except (DockerException, RequestException, *archives.BROKEN) as error:
        text = error.explanation if isinstance(error, APIError) else str(error)
        if "no space left on device" in str(text):
            raise disk_full() from error
        raise WheelhouseError(
            f"The Docker engine failed: {text}",
            "Mend that and run the same command again.",
            Kind.ENGINE,
        ) from error


def disk_full() -> WheelhouseError:
    """What to tell when the engine's own disk is full."""
    return WheelhouseError(
        "The disk of the Docker engine is full.",
        "Free some space there (`docker system df` shows what takes it; a build wants 4 GB), then "
        "run the same command again; what is finished is kept.",
        Kind.DISK,
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
    """The folders above ``files``, but for those that the image has."""
    every = {parent for name in files for parent in Path(name).parents}
    return sorted(str(path) for path in every if len(path.parts) > 2)


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else _owned(entry)


def _owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid, entry.gid = map(int, USER.split(":"))
    entry.uname = entry.gname = ""
    return entry
