"""Earlier releases, from a server on loopback that answers as GitHub's REST API does."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.support.loopback import Scripted
from tests.support.running import Cli
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.publish import github

BUILD = "https://slsa.dev/provenance/v1"
WHEEL = "tflite_runtime-{}-cp37-abi3-manylinux2014_aarch64.whl"


class GitHub(Scripted):
    """Releases in pages of two, the files in them, and attestations by SHA-256."""

    def __init__(self) -> None:
        self.releases: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.attested: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.tokens: dict[str, str | None] = {}
        super().__init__()

    def release(
        self, tag: str, files: Mapping[str, bytes], draft: bool = False, told: bool = True
    ) -> None:
        assets = []
        for name, content in files.items():
            self.files[f"{tag}/{name}"] = content
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}" if told else None
            address = f"{self.url}/files/{tag}/{name}"
            told_size = {"browser_download_url": address, "size": len(content)}
            assets.append({"name": name, "digest": digest, **told_size})
        self.releases.append({"tag_name": tag, "draft": draft, "assets": assets, "id": 1})

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.lstrip("/").partition("?")
        self.asked.append(request.path)
        self.tokens[path] = request.headers.get("Authorization")
        headers = {}
        if path.startswith("files/"):
            content = self.files.get(path.removeprefix("files/"))
        elif path == "repos/owner/name/releases":
            page = int(query.partition("&page=")[2] or 1)
            content = json.dumps(self.releases[2 * page - 2 : 2 * page]).encode()
            if len(self.releases) > 2 * page:
                following = f"{self.url}/{path}?per_page=100&page={page + 1}"
                headers["Link"] = f'<{following}>; rel="next"'
        else:
            told = self.attested.get(path.rpartition("/sha256:")[2])
            content = json.dumps({"attestations": told}).encode() if told else None
        if content is None:
            request.send_error(404)
            return
        request.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(key, value)
        request.end_headers()
        request.wfile.write(content)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    server = GitHub()
    monkeypatch.setenv("GITHUB_API_URL", server.url)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    yield server
    server.close()


def wheel_and_record(version: str, content: bytes) -> dict[str, bytes]:
    name = WHEEL.format(version)
    return {name: content, f"{name}.verified.json": b"{}"}


def bundle(
    content: bytes, subjects: int = 1, logged: bool = True, kind: str = BUILD
) -> dict[str, Any]:
    """A Sigstore bundle as GitHub's attestation of provenance has it; nothing in it is signed."""
    subject = {"name": "x.whl", "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
    workflow = {
        "ref": "refs/tags/v1",
        "repository": "https://github.com/owner/name",
        "path": ".github/workflows/release.yml",
    }
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject] * subjects,
        "predicateType": kind,
        "predicate": {"buildDefinition": {"externalParameters": {"workflow": workflow}}},
    }
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": "Y2VydA=="},
            "tlogEntries": [{"logIndex": "1"}] * logged,
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(json.dumps(statement).encode()).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": "c2ln"}],
        },
    }


def found(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_every_release_on_every_page_has_a_folder(server: GitHub, tmp_path: Path) -> None:
    for number in range(5):
        files = wheel_and_record(f"1.{number}", f"wheel {number}".encode())
        server.release(f"v1.{number}", {**files, "checksums.txt": b"not wanted"})
    server.release("v2.0", wheel_and_record("2.0", b"draft"), draft=True)
    github.fetch("owner/name", tmp_path)
    wanted = {f"v1.{n}/{WHEEL.format(f'1.{n}')}" for n in range(5)}
    assert found(tmp_path) == wanted | {f"{name}.verified.json" for name in wanted}
    assert (tmp_path / "v1.3" / WHEEL.format("1.3")).read_bytes() == b"wheel 3"


def test_what_is_there_is_not_fetched_again_unless_it_was_changed(
    server: GitHub, tmp_path: Path
) -> None:
    server.release("v1", wheel_and_record("1.0", b"wheel"))
    github.fetch("owner/name", tmp_path)
    server.asked.clear()
    github.fetch("owner/name", tmp_path)
    assert server.asked
    assert not [path for path in server.asked if path.startswith("/files/")]
    path = tmp_path / "v1" / WHEEL.format("1.0")
    path.write_bytes(b"changed")
    github.fetch("owner/name", tmp_path)
    assert path.read_bytes() == b"wheel"


def test_a_file_that_is_not_what_the_release_tells_is_refused(
    server: GitHub, tmp_path: Path
) -> None:
    server.release("v1", wheel_and_record("1.0", b"wheel"))
    server.files[f"v1/{WHEEL.format('1.0')}"] = b"other"
    with pytest.raises(WheelhouseError, match="does not have the SHA-256"):
        github.fetch("owner/name", tmp_path)
    assert found(tmp_path) == set()


@pytest.mark.parametrize(
    ("tag", "name"), [("../v1", WHEEL.format("1.0")), ("v1", f"../{WHEEL.format('1.0')}")]
)
def test_a_name_that_would_leave_the_folder_is_refused(
    server: GitHub, tmp_path: Path, tag: str, name: str
) -> None:
    server.release(tag, {name: b"wheel"})
    with pytest.raises(WheelhouseError, match="may not name a file"):
        github.fetch("owner/name", tmp_path / "releases")
    assert found(tmp_path) == set()


def test_an_attestation_becomes_a_provenance_object(server: GitHub, tmp_path: Path) -> None:
    server.release("v1", wheel_and_record("1.0", b"wheel"))
    told = bundle(b"wheel")
    server.attested[hashlib.sha256(b"wheel").hexdigest()] = [{"bundle": told}]
    github.fetch("owner/name", tmp_path)
    path = tmp_path / "v1" / f"{WHEEL.format('1.0')}.provenance"
    (group,) = json.loads(path.read_text())["attestation_bundles"]
    assert group["publisher"] == {
        "kind": "GitHub",
        "repository": "owner/name",
        "workflow": "release.yml",
        "environment": None,
    }
    (attestation,) = group["attestations"]
    assert attestation["envelope"]["statement"] == told["dsseEnvelope"]["payload"]
    assert attestation["verification_material"]["transparency_entries"] == [{"logIndex": "1"}]


@pytest.mark.parametrize(
    "change", [{"subjects": 2}, {"logged": False}, {"kind": "https://cyclonedx.org/bom"}]
)
def test_what_pep_740_cannot_express_is_left_out(
    server: GitHub, tmp_path: Path, change: dict[str, Any]
) -> None:
    server.release("v1", wheel_and_record("1.0", b"wheel"))
    told = {"bundle": bundle(b"wheel", **change)}
    server.attested[hashlib.sha256(b"wheel").hexdigest()] = [told, {"bundle": None}]
    github.fetch("owner/name", tmp_path)
    assert [path for path in server.asked if "/attestations/" in path]
    assert found(tmp_path) == {f"v1/{name}" for name in wheel_and_record("1.0", b"wheel")}


def test_the_token_of_a_workflow_is_used_and_goes_to_the_api_alone(
    server: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    server.release("v1", wheel_and_record("1.0", b"wheel"))
    github.fetch("owner/name", tmp_path)
    files = {token for path, token in server.tokens.items() if path.startswith("files/")}
    rest = {token for path, token in server.tokens.items() if not path.startswith("files/")}
    assert (files, rest) == ({None}, {"Bearer s3cret"})


def test_failures_say_what_to_do(
    server: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    with pytest.raises(WheelhouseError, match="HTTP 404"):
        github.fetch("owner/other", tmp_path)
    for name in ("", "owner", "a/b/c", "https://host/owner/name", "../.."):
        with pytest.raises(WheelhouseError, match="no repository"):
            github.fetch(name, tmp_path)
    monkeypatch.setattr(server, "releases", [{"tag_name": 1}])
    with pytest.raises(WheelhouseError, match="unknown form"):
        github.fetch("owner/name", tmp_path)
    done = cli("releases", "--repo", "owner/other")
    assert done.status == Kind.FETCH
    assert "next: Check the name" in done.stderr
    assert "Traceback" not in done.stderr
