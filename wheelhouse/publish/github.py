"""Download the wheels and records of a project's GitHub releases, for an index of all releases.

The files of each release go into a folder named by its tag. GitHub's attestations of a wheel are
written beside it as ``<wheel>.provenance``, a provenance object of PEP 740.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.store import disk_space, file_digest
from wheelhouse.sources import download

T = TypeVar("T")

_WANTED = (".whl", ".whl.verified.json")
_NAME = re.compile(r"\w[\w.+-]*", re.ASCII)
_STATEMENT = "https://in-toto.io/Statement/v1"
_BUILD = "https://slsa.dev/provenance/v1"


class Asset(msgspec.Struct, frozen=True):
    """A file of a release; ``size`` is in bytes, ``digest`` is like ``sha256:…``."""

    name: str
    browser_download_url: str
    size: int
    digest: str | None = None


class GithubRelease(msgspec.Struct, frozen=True):
    """A release in an answer of GitHub's REST API."""

    tag_name: str
    draft: bool
    assets: tuple[Asset, ...]


class _Attestation(msgspec.Struct, frozen=True):
    bundle: dict[str, Any] | None = None


class _Attestations(msgspec.Struct, frozen=True):
    attestations: tuple[_Attestation, ...]


@dataclass(frozen=True)
class Repository:
    """A GitHub repository, ``owner/name``, read through the REST API at the URL ``api``."""

    name: str
    api: str
    client: httpx.Client

    @classmethod
    def named(cls, name: str) -> Repository:
        """The repository, with the API's URL and the token from the environment.

        GitHub's workflows set GITHUB_API_URL and GITHUB_TOKEN. Raises WheelhouseError if the name
        is not of the form owner/name.
        """
        if [bool(_NAME.fullmatch(part)) for part in name.split("/")] != [True, True]:
            raise WheelhouseError(
                f"{name or 'An empty name'} is no repository of GitHub.",
                "Give the repository as in --repo owner/name.",
                Kind.USAGE,
            )
        token = os.environ.get("GITHUB_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(
            headers=headers, verify=ssl.create_default_context(), follow_redirects=True, timeout=60
        )
        return cls(name, os.environ.get("GITHUB_API_URL") or "https://api.github.com", client)

    def releases(self) -> Iterator[GithubRelease]:
        """The releases without drafts, newest first."""
        url = f"{self.api}/repos/{self.name}/releases?per_page=100"
        while url:
            reply = self._get(url)
            for release in _decoded(reply, tuple[GithubRelease, ...]):
                if not release.draft:
                    yield release
            url = reply.links.get("next", {}).get("url", "")

    def attestations(self, sha256: str) -> list[dict[str, Any]]:
        """The Sigstore bundles that GitHub has for a file; ``sha256`` in hex."""
        url = f"{self.api}/repos/{self.name}/attestations/sha256:{sha256}"
        reply = self._get(url, (HTTPStatus.NOT_FOUND,))
        if reply.status_code == HTTPStatus.NOT_FOUND:
            return []
        return [one.bundle for one in _decoded(reply, _Attestations).attestations if one.bundle]

    def _get(self, url: str, accepted: tuple[HTTPStatus, ...] = ()) -> httpx.Response:
        try:
            reply = self.client.get(url)
        except httpx.HTTPError as error:
            raise _unreadable(self.name, str(error) or type(error).__name__) from error
        if not reply.is_success and reply.status_code not in accepted:
            raise _unreadable(self.name, f"HTTP {reply.status_code} {reply.reason_phrase}")
        return reply


@failures_of(Kind.FETCH)
def fetch(name: str, folder: Path) -> None:
    """Download the wheels and records of all releases to ``folder/<tag>/``.

    A file that exists with the right digest is not downloaded again. Raises WheelhouseError if
    GitHub cannot be reached or a file does not have the digest that GitHub states.
    """
    repository = Repository.named(name)
    count = 0
    for release in repository.releases():
        for asset in release.assets:
            if asset.name.endswith(_WANTED):
                path = folder / _checked_name(release.tag_name) / _checked_name(asset.name)
                _download(asset, path)
                if path.suffix == ".whl":
                    count += 1
                    _write_provenance(path, repository)
    console.say(f"{count} wheels of {name} are in {folder}")


def provenance(bundles: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The PEP 740 provenance object of a file; None if no bundle is about its build alone."""
    pairs = [_publisher_and_attestation(bundle) for bundle in bundles if _about_one_build(bundle)]
    groups = [
        {"publisher": publisher, "attestations": [attestation]} for publisher, attestation in pairs
    ]
    return {"version": 1, "attestation_bundles": groups} if groups else None


def _publisher_and_attestation(bundle: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    workflow = _statement(bundle)["predicate"]["buildDefinition"]["externalParameters"]["workflow"]
    publisher = {
        "kind": "GitHub",
        "repository": workflow["repository"].removeprefix("https://github.com/"),
        "workflow": workflow["path"].rpartition("/")[2],
        "environment": None,
    }
    attestation = {
        "version": 1,
        "verification_material": {
            "certificate": material["certificate"]["rawBytes"],
            "transparency_entries": material["tlogEntries"],
        },
        "envelope": {
            "statement": envelope["payload"],
            "signature": envelope["signatures"][0]["sig"],
        },
    }
    return publisher, attestation


def _about_one_build(bundle: dict[str, Any]) -> bool:
    logged = bundle["verificationMaterial"].get("tlogEntries")
    statement = _statement(bundle)
    kinds = (statement["_type"], statement["predicateType"])
    return bool(logged) and kinds == (_STATEMENT, _BUILD) and len(statement["subject"]) == 1


def _statement(bundle: dict[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    return statement


def _write_provenance(wheel: Path, repository: Repository) -> None:
    try:
        found = provenance(repository.attestations(file_digest(wheel)))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _unreadable(
            repository.name, f"an attestation of {wheel.name} has an unknown form: {error!r}"
        ) from error
    if found:
        wheel.with_name(f"{wheel.name}.provenance").write_text(json.dumps(found))


def _download(asset: Asset, path: Path) -> None:
    wanted = (asset.digest or "").removeprefix("sha256:")
    if wanted and path.is_file() and file_digest(path) == wanted:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with disk_space(path.parent), partial.open("wb") as stream:
            limits = download.Limits(asset.size)
            for block in download.read(asset.browser_download_url, limits):
                stream.write(block)
        if wanted and file_digest(partial) != wanted:
            raise WheelhouseError(
                f"{asset.name} does not have the SHA-256 that GitHub states.",
                "Run the same command again; if that does not help, check the release.",
            )
        partial.rename(path)
    except download.UnreachableError as error:
        raise _unreadable(asset.name, str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise WheelhouseError(
            f"A release has a tag or file {name!r}, which may not name a file here.",
            "Use only letters, digits and . _ + - in the names of tags and files.",
        )
    return name


def _decoded(reply: httpx.Response, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.content, type=shape)
    except msgspec.DecodeError as error:
        raise _unreadable(
            str(reply.url.host), f"the answer has an unknown form: {error}"
        ) from error


def _unreadable(what: str, reason: str) -> WheelhouseError:
    return WheelhouseError(
        f"The releases cannot be read. {what}: {reason}.",
        "Check the name and the network; set GITHUB_TOKEN if GitHub demands authentication.",
    )
