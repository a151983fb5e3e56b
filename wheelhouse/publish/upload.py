"""Upload verified wheels to a package index.

1. A wheel with a local version, as 2.14.1+noxnnpack, is left out: pip would prefer it to 2.14.1.
2. Each wheel's members must be what its RECORD says. The record beside it must be about its exact
   bytes, and have passed all checks that this checkout's verifier makes. `twine check --strict`
   must accept its metadata.
3. The index is read. A wheel that it has is skipped. If it has other bytes under the wheel's name,
   or under the same version and a common tag, the upload is refused before anything is sent.
4. The remaining wheels are uploaded, one after the other.

Credentials come from the environment or the keyring only, where twine looks for them.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import requests
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pypi_simple import (
    ACCEPT_ANY,
    DistributionPackage,
    ProjectPage,
    UnsupportedRepoVersionError,
)
from twine.exceptions import NonInteractive, TwineException
from twine.package import PackageFile
from twine.settings import Settings

from wheelhouse.common import console, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import file_digest
from wheelhouse.publish import wheel_file
from wheelhouse.publish.publisher import Publisher
from wheelhouse.record import Demand, Verifier

TIMEOUT = 120
"""Seconds to wait for a server's answer."""

_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Endpoint:
    """The URL for uploads, and the URL of the simple index that lists what was uploaded."""

    upload: str
    index: str

    @classmethod
    def named(cls, upload: str, index: str = "") -> Endpoint:
        """The endpoint for an upload URL; :func:`index_of` gives its index if none is named.

        Raises WheelhouseError for anything but an http(s) URL without credentials or query.
        """
        parts = _bare_address(upload, "--to")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            console.warn(f"{upload} is not https: a password for it is sent unencrypted.")
        return cls(
            upload, _bare_address(index or index_of(upload), "--index").geturl().rstrip("/") + "/"
        )


def index_of(upload: str) -> str:
    """The usual URL of the simple index for an upload URL.

    For a path that ends in ``legacy``, as in Warehouse, ``simple`` replaces it and the host loses
    its ``upload.``; otherwise ``simple`` is appended to the upload URL.
    """
    parts = urlsplit(upload)
    path, hostname = parts.path.rstrip("/"), parts.netloc
    if path.endswith("/legacy"):
        path, hostname = path.removesuffix("/legacy"), hostname.removeprefix("upload.")
    return parts._replace(netloc=hostname, path=f"{path}/simple/").geturl()


def publish(
    wheels: Sequence[Path],
    to: str,
    index: str,
    verifier: Verifier,
    publisher: Publisher | None = None,
) -> None:
    """Upload the wheels that the index does not have, and print the name of each.

    ``verifier`` and ``publisher`` are as for :func:`wheel_file.read`. Raises WheelhouseError before
    anything is sent if a wheel is not verified, a credential is missing, or the index has other
    bytes under a wheel's name; and for the first wheel that the endpoint rejects, naming those that
    it accepted.
    """
    endpoint = Endpoint.named(to, index)
    wheels = _without_local(wheels)
    _raise_if_any(
        [problem for wheel in wheels if (problem := _refused(wheel, verifier, publisher))],
        "Only verified wheels are uploaded",
        "Run `invoke verify` on them first; build altered ones again.",
    )
    _check_metadata(wheels)
    settings = _login(endpoint)
    missing = _missing(wheels, Index(endpoint, settings))
    _upload(missing, endpoint, settings)
    console.say(f"{len(missing)} uploaded, {len(wheels) - len(missing)} in the index already")


def _refused(wheel: Path, verifier: Verifier, publisher: Publisher | None) -> str:
    """Why a wheel is not to be uploaded; empty if it is whole and verified."""
    try:
        wheel_file.read(wheel, Demand.TODAY, verifier, publisher)
    except WheelhouseError as error:
        return error.what
    return ""


@dataclass
class Index:
    """The simple index of an endpoint; credentials are sent only if it demands them."""

    endpoint: Endpoint
    settings: Settings
    session: requests.Session = field(default_factory=requests.Session)

    def files(self, project: str) -> list[DistributionPackage]:
        """The files of a project that the endpoint itself has.

        Raises WheelhouseError if the index cannot be read.
        """
        url = f"{self.endpoint.index}{project}/"
        reply = self._get(url)
        # Some servers redirect to another index for projects that they do not have.
        elsewhere = urlsplit(reply.url).netloc != urlsplit(url).netloc
        if elsewhere or reply.status_code == HTTPStatus.NOT_FOUND:
            self._accepted(self._get(self.endpoint.index, stream=True)).close()
            return []
        try:
            return ProjectPage.from_response(self._accepted(reply), project).packages
        except (ValueError, UnsupportedRepoVersionError) as error:
            raise self._unreadable("its answer is no index page") from error

    def sha256(self, package: DistributionPackage) -> str:
        """The SHA-256, in hex, of a file in the index; read from the file if no page has it."""
        if stated := package.digests.get("sha256"):
            return stated
        hasher = hashlib.sha256()
        with self._accepted(self._get(package.url, stream=True)) as reply:
            for block in reply.iter_content(1 << 20):
                hasher.update(block)
        return hasher.hexdigest()

    def _get(self, url: str, stream: bool = False) -> requests.Response:
        get = partial(
            self.session.get, url, headers={"Accept": ACCEPT_ANY}, timeout=TIMEOUT, stream=stream
        )
        try:
            reply = get()
            if reply.status_code in _DENIED and self._same_host(reply.url):
                reply = get(auth=(self.settings.username or "", self.settings.password or ""))
        except requests.RequestException as error:
            raise self._unreadable(_reason(error)) from error
        return reply

    def _same_host(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self.endpoint.index)[:2]

    def _accepted(self, reply: requests.Response) -> requests.Response:
        if reply.ok:
            return reply
        raise self._unreadable(_reason(requests.HTTPError(response=reply)))

    def _unreadable(self, reason: str) -> WheelhouseError:
        return WheelhouseError(
            f"The index {self.endpoint.index} cannot be read: {reason}.",
            "Check the network and the address; --index gives the index another one.",
        )


def conflicting(wheel: str, other: str) -> bool:
    """Whether two files conflict in an index: one name, or one version and a common tag."""
    try:
        _, ours, _, our_tags = parse_wheel_filename(wheel)
        _, theirs, _, their_tags = parse_wheel_filename(other)
    except InvalidWheelFilename:
        return wheel == other
    return ours == theirs and not our_tags.isdisjoint(their_tags)


def _without_local(wheels: Sequence[Path]) -> list[Path]:
    local = [wheel for wheel in wheels if "+" in wheel.name]
    for wheel in local:
        console.warn(
            f"{wheel.name} is left out: pip would prefer its local version to the public one."
        )
    if len(local) == len(wheels):
        raise WheelhouseError("There is no wheel to upload.", "Run `invoke build` first.")
    return [wheel for wheel in wheels if wheel not in local]


def _bare_address(url: str, option: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise WheelhouseError(
            f"The address of {option} contains a password, a query or a fragment.",
            "Give the bare address; set TWINE_USERNAME and TWINE_PASSWORD, or use the keyring.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WheelhouseError(
            f"{option} has no web address: {url or 'nothing'}.",
            "Give the address to which the index takes uploads, as in https://host/legacy/.",
        )
    return parts


def _raise_if_any(problems: list[str], what: str, hint: str) -> None:
    if problems:
        raise WheelhouseError(f"{what}:\n  " + "\n  ".join(problems), hint)


def _check_metadata(wheels: Sequence[Path]) -> None:
    plain = {"COLUMNS": "1000", "NO_COLOR": "1", "TERM": "dumb"}
    done = process.run([*process.PYTHON, "twine", "check", "--strict", *wheels], env=plain)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "PASSED" not in line]
    _raise_if_any(
        lines if done.status else [],
        "`twine check --strict` does not accept the metadata",
        "Correct the metadata and build the wheel again.",
    )


def _login(endpoint: Endpoint) -> Settings:
    """Twine's settings for the upload; raises WheelhouseError if a credential is missing."""
    settings = Settings(
        repository_url=endpoint.upload,
        username=os.environ.get("TWINE_USERNAME") or None,
        password=os.environ.get("TWINE_PASSWORD") or None,
        cacert=os.environ.get("TWINE_CERT") or None,
        non_interactive=True,
        disable_progress_bar=True,
    )
    logging.getLogger("twine").setLevel(logging.CRITICAL)
    for name in ("username", "password"):
        try:
            getattr(settings, name)
        except NonInteractive as error:
            raise WheelhouseError(
                f"There is no {name} for {endpoint.upload}.",
                "Set TWINE_USERNAME and TWINE_PASSWORD (for a token, the user name is __token__), "
                f"or store them: `.venv/bin/keyring set {endpoint.upload} USER`.",
                topic="credentials",
            ) from error
        except (TwineException, requests.RequestException) as error:
            raise WheelhouseError(
                f"{endpoint.upload} gave no token for this workflow: {error}",
                "Register this workflow there as a trusted publisher, or set TWINE_PASSWORD.",
            ) from error
    return settings


def _missing(wheels: Sequence[Path], index: Index) -> list[Path]:
    """The wheels that the index lacks; raises WheelhouseError if it has conflicting ones."""
    missing, problems = [], []
    for wheel in wheels:
        project, *_ = parse_wheel_filename(wheel.name)
        rivals = [file for file in index.files(project) if conflicting(wheel.name, file.filename)]
        others = [file.filename for file in rivals if index.sha256(file) != file_digest(wheel)]
        problems += [f"{wheel.name}: the index has {name} with other content" for name in others]
        if not rivals:
            missing.append(wheel)
        elif not others:
            console.say(f"{wheel.name} is in the index already")
    _raise_if_any(
        problems,
        f"{index.endpoint.index} has other wheels of these versions; nothing was uploaded",
        "Publish the changed wheels under a new version.",
    )
    return missing


def _upload(wheels: Sequence[Path], endpoint: Endpoint, settings: Settings) -> None:
    repository = settings.create_repository()
    session = repository.session
    session.request = partial(session.request, timeout=TIMEOUT)  # type: ignore[method-assign]
    done: list[str] = []
    for wheel in wheels:
        try:
            with redirect_stdout(io.StringIO()):
                reply = repository.upload(PackageFile.from_filename(str(wheel), None))
            if reply.is_redirect:
                raise requests.HTTPError(response=reply)
            reply.raise_for_status()
        except (TwineException, requests.RequestException) as error:
            raise _rejected(wheel, endpoint, error, done) from error
        done.append(wheel.name)
        console.result(wheel.name)


def _rejected(
    wheel: Path, endpoint: Endpoint, error: Exception, done: Sequence[str]
) -> WheelhouseError:
    before = f" Uploaded before it: {', '.join(done)}." if done else " Nothing was uploaded."
    hint = "Correct that. The same command uploads the missing wheels."
    response = getattr(error, "response", None)
    if response is not None and response.status_code in _DENIED:
        hint = (
            "Check TWINE_USERNAME and TWINE_PASSWORD, or the keyring's entry for this address, and "
            "that this user may upload there. The same command uploads the missing wheels."
        )
    return WheelhouseError(
        f"{endpoint.upload} did not take {wheel.name}: {_reason(error)}.{before}", hint
    )


def _reason(error: Exception) -> str:
    """The root cause of a failed request, without URLs."""
    response = getattr(error, "response", None)
    if response is not None:
        denied = "the user name or password is refused, " * (response.status_code in _DENIED)
        return f"{denied}HTTP {response.status_code} {response.reason}"
    return str(list(_causes(error))[-1]) or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
