"""Download over HTTP: a broken connection is resumed, a failed request retried with back-off.

A download ends where it exceeds its :class:`Limits`: in bytes, in speed, or in time.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import unquote

import httpx

from wheelhouse.common import console

ATTEMPTS = 4
_MISSING = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_GONE = _MISSING | {HTTPStatus.FORBIDDEN}
_CONNECTED = ("connect_tcp.complete", "start_tls.complete")


class UnreachableError(Exception):
    """An address cannot be read; the message is the reason."""


@dataclass(frozen=True)
class Limits:
    """When a download is given up.

    ``size`` is the most bytes that the file may have. At least ``slowest`` bytes a second must come
    on average, in each ``span`` of seconds and in all.
    """

    size: int
    slowest: float = 4_000
    span: float = 25

    @property
    def seconds(self) -> float:
        """The most seconds that the whole download may take."""
        return 2 * self.span + self.size / self.slowest

    @property
    def exceeded(self) -> str:
        """The reason for giving up a file that is too large."""
        return f"it is larger than the {self.size:,} bytes that it may have"


@dataclass
class Pace:
    """How fast a download comes; times are seconds of one clock.

    ``begun`` is when it began, ``since`` when the present span did, in which ``came`` bytes came.
    """

    limits: Limits
    begun: float
    since: float
    came: int = 0

    def problem(self, now: float) -> str:
        """Why the download is to be given up; "" if it is fast enough."""
        limits = self.limits
        if now - self.begun > limits.seconds:
            return f"it did not end within {limits.seconds:.0f} s"
        if now - self.since < limits.span:
            return ""
        if self.came < limits.slowest * limits.span:
            wanted = f"{limits.slowest:,.0f} bytes a second"
            return f"it is too slow: {self.came:,} bytes in {now - self.since:.0f} s, not {wanted}"
        self.since, self.came = now, 0
        return ""

    def skip(self, seconds: float) -> None:
        """Leave out a time in which nothing was asked for."""
        self.begun += seconds
        self.since += seconds


def read(url: str, limits: Limits, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes at ``url`` from offset ``start``, in blocks; shows progress.

    A failed request or broken connection is tried again from the last byte after 1, 2 and 4 s.
    Raises UnreachableError after ``ATTEMPTS`` failures without a new byte, and if the download
    exceeds its limits; not more than ``limits.size`` bytes were yielded then.
    """
    done, failures = start, 0
    with console.download(unquote(url.rpartition("/")[2])) as bar, _Watch(limits) as watch:
        while True:
            try:
                for block in _once(url, done, limits, watch, bar):
                    done += len(block)
                    failures = 0
                    with watch.paused():
                        yield block
                if watch.problem:  # a broken connection may look like the end of the file
                    raise UnreachableError(watch.problem)
                return
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise UnreachableError(str(error)) from error
            except httpx.HTTPError as error:
                failures += 1
                if watch.problem or failures == ATTEMPTS:
                    reason = watch.problem or str(error) or type(error).__name__
                    raise UnreachableError(reason) from error
                time.sleep(2 ** (failures - 1))


def exists(url: str, attempts: int = ATTEMPTS) -> bool:
    """Whether a server has a file at ``url``.

    Asks up to ``attempts`` times, with :func:`read`'s pauses; raises UnreachableError if the server
    does not answer.
    """
    problem = ""
    for failures in range(attempts):
        try:
            with _client() as client:
                reply = client.head(url)
            if reply.is_success or reply.status_code in _MISSING:
                return reply.is_success
            problem = f"HTTP {reply.status_code}"
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UnreachableError(str(error)) from error
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
        if failures < attempts - 1:
            time.sleep(2**failures)
    raise UnreachableError(problem)


class _Watch:
    """A thread that breaks the connections of a download that exceeds its limits.

    A timeout would not do: it begins again with each byte, also of a header that never ends.
    """

    def __init__(self, limits: Limits) -> None:
        now = time.monotonic()
        self.problem = ""
        self._pace = Pace(limits, now, now)
        self._sockets: list[socket] = []
        self._changing = threading.Lock()
        self._running = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def connected(self, event: str, info: Any) -> None:
        """Keep the connections that httpx makes; it calls this for each of its steps."""
        if event.endswith(_CONNECTED):
            with self._changing:
                self._sockets = [info["return_value"].get_extra_info("socket")]
                self._break_if_over()

    def came(self, size: int) -> None:
        """Count bytes that came."""
        with self._changing:
            self._pace.came += size

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time in which the reader does something else."""
        begun = time.monotonic()
        with self._changing:
            self._running = False
        try:
            yield
        finally:
            with self._changing:
                self._running = True
                self._pace.skip(time.monotonic() - begun)

    def _look(self) -> None:
        while not self.problem and not self._ended.wait(min(0.5, self._pace.limits.span / 10)):
            with self._changing:
                if self._running:
                    self.problem = self._pace.problem(time.monotonic())
                    self._break_if_over()

    def _break_if_over(self) -> None:
        for each in self._sockets if self.problem else ():
            with suppress(OSError):
                each.shutdown(SHUT_RDWR)


def _client(timeout: float = 60) -> httpx.Client:
    # The system's own certificates, as apt and pip trust them.
    return httpx.Client(verify=ssl.create_default_context(), follow_redirects=True, timeout=timeout)


def _once(url: str, start: int, limits: Limits, watch: _Watch, bar: console.Bar) -> Iterator[bytes]:
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    trace = {"trace": watch.connected}
    with (
        _client(limits.span) as client,
        client.stream("GET", url, headers=headers, extensions=trace) as reply,
    ):
        if reply.status_code in _GONE:
            raise UnreachableError(f"HTTP {reply.status_code}")
        if reply.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is left to read
        if not reply.is_success:
            problem = f"HTTP {reply.status_code}"
            raise httpx.HTTPStatusError(problem, request=reply.request, response=reply)
        skip = start if reply.status_code == HTTPStatus.OK else 0
        here = start - skip
        total = here + int(reply.headers["Content-Length"]) if _sized(reply) else None
        if total and total > limits.size:
            raise UnreachableError(limits.exceeded)
        for block in reply.iter_raw():
            watch.came(len(block))
            fresh = block[skip : max(0, limits.size - here)]
            here += len(block)
            bar.update(here, total)
            skip = max(0, skip - len(block))
            if fresh:
                yield fresh
            if here > limits.size:
                raise UnreachableError(limits.exceeded)


def _sized(reply: httpx.Response) -> bool:
    return str(reply.headers.get("Content-Length", "")).isdigit()
