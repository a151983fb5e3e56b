"""The environment of the processes started here: chosen variables and settings of the user's pip.

Kept is what says where things are and how to reach them: folders, proxies, certificates, indexes.
Dropped is what would change the behaviour of Python, pip, a compiler or a compiler cache, or the
language of messages.

This module needs the standard library alone, because ``inv`` runs pip through it before anything
else is installed: ``python -I surroundings.py WORDS`` starts this Python with these arguments.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TMP", "TEMP", "CI"),
        *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
        *("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("APT_CONFIG", "NETRC", "UV_CACHE_DIR", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL"),
        *("UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
    }
)
PREFIXES = (
    *("WHEELHOUSE_", "AWS_", "ACTIONS_", "DOCKER_", "XDG_"),
    *("SSH_", "LD_", "FAKEROOT", "KRB5", "UV_INDEX", "UV_HTTP", "UV_KEYRING"),
    *("PYTEST_", "PLAYWRIGHT_"),
)
PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"})

PIP_SETTINGS = frozenset(
    {
        *("index-url", "pypi-url", "extra-index-url", "find-links", "no-index", "trusted-host"),
        *("proxy", "no-proxy-env", "cert", "client-cert", "keyring-provider"),
        *("timeout", "default-timeout", "retries", "resume-retries", "cache-dir", "no-cache-dir"),
    }
)
_SECTIONS = ("global", "install", "download")  # a later one overrides


def environment() -> dict[str, str]:
    """The environment variables for other programs.

    Raises ConfigurationError if pip's configuration cannot be read.
    """
    kept = {name: value for name, value in os.environ.items() if _reaches(name)}
    pip = {f"PIP_{key.upper().replace('-', '_')}": value for key, value in pip_settings().items()}
    fixed = {
        "HOME": _home(os.environ),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return {**kept, **pip, **fixed}


class ConfigurationError(Exception):
    """A file of pip's configuration cannot be read; the message is the reason."""


def pip_settings(
    environ: Mapping[str, str] = os.environ, prefix: str = sys.prefix
) -> dict[str, str]:
    """The user's settings of pip that are kept, by the names of pip's long options.

    ``prefix`` is the folder of pip's virtual environment, which may have a ``pip.conf`` too. Raises
    ConfigurationError if a file cannot be parsed.
    """
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for path in _files(environ, prefix):
        for name, settings in _read(path).items():
            sections[name] |= settings
    given = {name[4:].lower(): value for name, value in environ.items() if name[:4] == "PIP_"}
    found = {
        key.replace("_", "-"): value
        for settings in (*sections.values(), given)
        for key, value in settings.items()
    }
    return {key: value for key, value in found.items() if key in PIP_SETTINGS and value}


def _home(environ: Mapping[str, str]) -> str:
    """The user's home folder, or ``/nonexistent`` if the user has none."""
    found = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111
    return found if os.path.isabs(found) else "/nonexistent"  # noqa: PTH117


def _reaches(name: str) -> bool:
    return name in NAMES or name.lower() in PROXIES or name.startswith(PREFIXES)


def _files(environ: Mapping[str, str], prefix: str) -> Iterator[Path]:
    """The configuration files that pip reads on Linux, in its order."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    systems = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    yield from (Path(folder, "pip/pip.conf") for folder in systems.split(":") if folder)
    yield Path("/etc/pip.conf")
    if not (named and Path(named).exists()):
        home = Path(_home(environ))
        yield home / ".pip/pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
    yield Path(prefix, "pip.conf")
    if named:
        yield Path(named)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The settings in the sections that concern downloads; none if the file cannot be opened."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8", errors="surrogateescape"), str(path))
    except OSError:  # as pip does
        return {}
    except configparser.Error as error:
        raise ConfigurationError(" ".join(str(error).split())) from error
    return {name: dict(parser.items(name)) for name in _SECTIONS if parser.has_section(name)}


def main(words: list[str]) -> None:
    """Replace this process by Python with the arguments ``words``, in :func:`environment`."""
    try:
        clean = environment()
    except ConfigurationError as error:
        sys.exit(f"ERROR: pip's configuration cannot be read: {error}")
    os.execve(sys.executable, [sys.executable, "-I", *words], clean)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
