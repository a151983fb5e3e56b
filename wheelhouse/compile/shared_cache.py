"""A compiler cache that machines share: its address, its settings, and whether it answers."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import httpx

from wheelhouse.common.errors import Kind, WheelhouseError

ADDRESS = "WHEELHOUSE_SHARED_CACHE"
MODE = "WHEELHOUSE_SHARED_CACHE_MODE"
PATIENCE = 3.0
"""The seconds within which a usable server answers."""

_MODES = {"": "READ_WRITE", "write": "READ_WRITE", "read": "READ_ONLY"}


@dataclass(frozen=True)
class SharedCache:
    """A shared cache.

    ``level`` is sccache's name for its kind, ``settings`` are sccache's environment variables for
    it, which may hold a password. ``where`` is the address without user and password.
    """

    title: ClassVar[str] = "shared cache"

    level: str
    where: str
    settings: Mapping[str, str]
    probe: Callable[[], None]
    """Raises an OSError or an httpx.HTTPError if the server does not answer in time."""

    @property
    def answers(self) -> bool:
        """Whether the server answers within :data:`PATIENCE`."""
        try:
            self.probe()
        except (OSError, httpx.HTTPError):
            return False
        return True


def named() -> SharedCache | None:
    """The shared cache that the environment names, if any.

    Raises WheelhouseError if its address or mode is wrong.
    """
    address, mode = os.environ.get(ADDRESS, ""), os.environ.get(MODE, "")
    if mode not in _MODES:
        raise WheelhouseError(
            f"{MODE} is {mode!r}, which is no mode.",
            "Set it to read, or to write, which means both and is the default.",
            Kind.USAGE,
        )
    if not address:
        return None
    try:
        parts = urlsplit(address)
        return _KINDS[parts.scheme](parts, parts.port, _MODES[mode])
    except (KeyError, ValueError):
        # Without the address, which may hold a password.
        raise WheelhouseError(
            f"{ADDRESS} is no address of a shared cache.",
            "Set it to redis://HOST, rediss://HOST, s3://BUCKET, webdav://HOST/PATH or "
            "webdavs://HOST/PATH; docs/howto/shared-cache.md tells the rest.",
            Kind.USAGE,
        ) from None


def _redis(parts: SplitResult, port: int | None, mode: str) -> SharedCache:
    place = f"{_host(parts)}:{port or 6379}"
    database = parts.path.strip("/")
    settings = {
        "SCCACHE_REDIS_ENDPOINT": f"{parts.scheme}://{place}",
        "SCCACHE_REDIS_DB": str(int(database or 0)),
        "SCCACHE_REDIS_RW_MODE": mode,
        **_login("SCCACHE_REDIS", parts),
    }

    def probe() -> None:
        with socket.create_connection((parts.hostname, port or 6379), PATIENCE) as plain:
            if parts.scheme == "redis":
                _ping(plain)
            else:
                with ssl.create_default_context().wrap_socket(
                    plain, server_hostname=parts.hostname
                ) as secured:
                    _ping(secured)

    return SharedCache("redis", f"{parts.scheme}://{place}{parts.path}", settings, probe)


def _ping(connection: socket.socket) -> None:
    """Raise OSError if a Redis server does not answer at all; a refusal is an answer."""
    connection.sendall(b"PING\r\n")
    if connection.recv(1)[:1] not in (b"+", b"-"):
        raise ConnectionError("no Redis server answers there")


def _webdav(parts: SplitResult, port: int | None, mode: str) -> SharedCache:
    scheme = "http" if parts.scheme == "webdav" else "https"
    endpoint = f"{scheme}://{_host(parts)}" + (f":{port}" if port else "")
    settings = {
        "SCCACHE_WEBDAV_ENDPOINT": endpoint,
        "SCCACHE_WEBDAV_KEY_PREFIX": parts.path or "/",
        "SCCACHE_WEBDAV_RW_MODE": mode,
        **_login("SCCACHE_WEBDAV", parts),
    }
    where = f"{parts.scheme}{endpoint.removeprefix(scheme)}{parts.path}"
    return SharedCache("webdav", where, settings, lambda: _head(endpoint))


def _s3(parts: SplitResult, port: int | None, mode: str) -> SharedCache:
    options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    endpoint = options.pop("endpoint", "")
    region = options.pop("region", "") or os.environ.get("AWS_REGION", "us-east-1")
    if options or port or parts.username:
        raise ValueError("unknown options")
    settings = {
        "SCCACHE_BUCKET": _host(parts),
        "SCCACHE_REGION": region,
        "SCCACHE_S3_USE_SSL": "false" if endpoint.startswith("http://") else "true",
        "SCCACHE_S3_RW_MODE": mode,
    }
    if parts.path.strip("/"):
        settings["SCCACHE_S3_KEY_PREFIX"] = parts.path.strip("/")
    if endpoint:
        settings["SCCACHE_ENDPOINT"] = endpoint
    asked = endpoint or f"https://{_host(parts)}.s3.{region}.amazonaws.com"
    return SharedCache("s3", f"s3://{_host(parts)}{parts.path}", settings, lambda: _head(asked))


def _head(address: str) -> None:
    httpx.head(address, timeout=PATIENCE)  # any status is an answer


def _host(parts: SplitResult) -> str:
    if not parts.hostname:
        raise ValueError("no host")
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname


def _login(prefix: str, parts: SplitResult) -> dict[str, str]:
    given = {"USERNAME": parts.username, "PASSWORD": parts.password}
    return {f"{prefix}_{name}": unquote(value) for name, value in given.items() if value}


_KINDS = {"redis": _redis, "rediss": _redis, "webdav": _webdav, "webdavs": _webdav, "s3": _s3}
