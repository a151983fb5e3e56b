"""Download over HTTP: a broken connection is resumed, a failed request retried with back-off."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import unquote

import httpx

from wheelhouse.common import console

ATTEMPTS = 4
_MISSING = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_GONE = _MISSING | {HTTPStatus.FORBIDDEN}


class UnreachableError(Exception):
    """An address cannot be read; the message is the reason."""


def read(url: str, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes at ``url`` from offset ``start``, in blocks; shows progress.

    A failed request or broken connection is tried again from the last byte after 1, 2 and 4 s.
    Raises UnreachableError after ``ATTEMPTS`` failures without a new byte.
    """
    done, failures = start, 0
    with console.download(unquote(url.rpartition("/")[2])) as bar:
        while True:
            try:
                for block in _once(url, done, bar):
                    done += len(block)
                    failures = 0
                    yield block
                return
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise UnreachableError(str(error)) from error
            except httpx.HTTPError as error:
                failures += 1
                if failures == ATTEMPTS:
                    raise UnreachableError(str(error) or type(error).__name__) from error
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


def _client() -> httpx.Client:
    # The system's own certificates, as apt and pip trust them.
    return httpx.Client(verify=ssl.create_default_context(), follow_redirects=True, timeout=60)


def _once(url: str, start: int, bar: console.Bar) -> Iterator[bytes]:
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    with _client() as client, client.stream("GET", url, headers=headers) as reply:
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
        for block in reply.iter_raw():
            here += len(block)
            bar.update(here, total)
            fresh = block[skip:]
            skip = max(0, skip - len(block))
            if fresh:
                yield fresh


def _sized(reply: httpx.Response) -> bool:
    return str(reply.headers.get("Content-Length", "")).isdigit()
