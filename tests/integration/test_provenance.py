"""Provenance is verified: the attestations of a real release, and what is wrong with others.

The release is one of pypi-attestations: a source archive with the provenance that the public
Python index has for it, and GitHub's attestation of the build.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import socket
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.wheels import make_site, wheel
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.publish import github, provenance
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.publish.publisher import Publisher, UnprovenError
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher

NAME = "pypi_attestations-0.0.19.tar.gz"
OURS = Publisher("trailofbits/pypi-attestations", "release.yml")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def assets(fetcher: Fetcher) -> dict[str, bytes]:
    """The files of the library's tests, by name."""
    found = {}
    with tarfile.open(fetcher.file(pins.shared("pypi-attestations"))) as archive:
        for member in archive:
            if "/test/assets/" in member.name and (stream := archive.extractfile(member)):
                found[member.name.rpartition("/")[2]] = stream.read()
    return found


@pytest.fixture(scope="module")
def sha256(assets: dict[str, bytes]) -> str:
    return hashlib.sha256(assets[NAME]).hexdigest()


@pytest.fixture
def real(assets: dict[str, bytes]) -> dict[str, Any]:
    """What the public Python index has for the file."""
    content: dict[str, Any] = json.loads(assets[f"{NAME}.provenance"])
    return content


def refused(content: object, sha256: str, name: str = NAME, publisher: Publisher = OURS) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(UnprovenError) as caught:
        provenance.verify(text, name, sha256, publisher)
    return str(caught.value)


def first(content: dict[str, Any]) -> dict[str, Any]:
    attestation: dict[str, Any] = content["attestation_bundles"][0]["attestations"][0]
    return attestation


def test_a_real_provenance_is_accepted_without_network_and_without_the_users_roots(
    assets: dict[str, bytes], sha256: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", none)
    monkeypatch.setattr(socket, "getaddrinfo", none)
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    provenance._verifier.cache_clear()
    provenance.verify(assets[f"{NAME}.provenance"], NAME, sha256, OURS)
    assert list(tmp_path.iterdir()) == []


def test_githubs_attestation_of_a_build_is_accepted_beside_it(
    assets: dict[str, bytes], real: dict[str, Any], sha256: str
) -> None:
    build = json.loads(assets[f"{NAME}.slsa.attestation"])
    real["attestation_bundles"].append({**real["attestation_bundles"][0], "attestations": [build]})
    provenance.verify(json.dumps(real).encode(), NAME, sha256, OURS)


def test_what_releases_makes_of_githubs_bundle_is_accepted(
    assets: dict[str, bytes], sha256: str
) -> None:
    build = json.loads(assets[f"{NAME}.slsa.attestation"])
    material, envelope = build["verification_material"], build["envelope"]
    bundle = {
        "verificationMaterial": {
            "certificate": {"rawBytes": material["certificate"]},
            "tlogEntries": material["transparency_entries"],
        },
        "dsseEnvelope": {
            "payload": envelope["statement"],
            "signatures": [{"sig": envelope["signature"]}],
        },
    }
    made = github.provenance([bundle])
    provenance.verify(json.dumps(made).encode(), NAME, sha256, OURS)


def test_other_content_and_another_name_are_refused(real: dict[str, Any], sha256: str) -> None:
    altered = hashlib.sha256(b"altered").hexdigest()
    assert "the SHA-256 differs" in refused(real, altered)
    assert "about another file" in refused(real, sha256, NAME.replace("19", "18"))


@pytest.mark.parametrize(
    "other",
    [
        Publisher("trailofbits/rfc8785.py", "release.yml"),
        Publisher("trailofbits/pypi-attestations", "tests.yml"),
    ],
    ids=["repository", "workflow"],
)
def test_another_identity_is_refused_even_if_the_file_says_it_is_ours(
    real: dict[str, Any], sha256: str, other: Publisher
) -> None:
    assert f"another publisher than {other}" in refused(real, sha256, publisher=other)
    real["attestation_bundles"][0]["publisher"] |= {
        "repository": other.repository,
        "workflow": other.workflow,
    }
    message = refused(real, sha256, publisher=other)
    assert "attestation 1 of 1 is from" in message
    assert "https://github.com/trailofbits/pypi-attestations" in message


@pytest.mark.parametrize("project", ["gitlab_oidc_project", "circleci_sign_publish_example"])
def test_a_certificate_for_another_service_is_refused(
    assets: dict[str, bytes], real: dict[str, Any], project: str
) -> None:
    (name,) = (each for each in assets if re.fullmatch(rf"{project}-.*(whl|tar\.gz)", each))
    attestation = json.loads(assets[f"{name}.publish.attestation"])
    real["attestation_bundles"][0]["attestations"] = [attestation]
    digest = hashlib.sha256(assets[name]).hexdigest()
    assert "is not signed as it should be" in refused(real, digest, name)


@pytest.mark.parametrize("place", [0, 1])
def test_two_attestations_of_which_one_is_wrong_are_refused(
    assets: dict[str, bytes], real: dict[str, Any], sha256: str, place: int
) -> None:
    wrong = json.loads(assets["pypi_attestation_models-0.0.4a2.tar.gz.attestation"])
    real["attestation_bundles"][0]["attestations"].insert(place, wrong)
    assert f"attestation {place + 1} of 2 is about other content" in refused(real, sha256)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has an empty provenance"),
        (b" \n", "has an empty provenance"),
        (b"<html>", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[]", "of another form: the file"),
        ({"version": 1}, "of another form: attestation_bundles: Field required"),
        ({"version": 2, "attestation_bundles": []}, "of another form: version"),
        ({"version": 1, "attestation_bundles": []}, "without an attestation"),
    ],
)
def test_what_is_no_provenance_is_refused(content: object, reason: str) -> None:
    assert reason in refused(content, "0" * 64)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda it: it["verification_material"].pop("certificate"), "certificate: Field required"),
        (
            lambda it: it["verification_material"].update(certificate=""),
            "invalid X.509 certificate",
        ),
        (lambda it: it["verification_material"].update(transparency_entries=[]), "at least 1 item"),
        (lambda it: it["envelope"].update(signature="QUFBQQ=="), "is not signed as it should be"),
        (lambda it: it["envelope"].update(statement="e30="), "is not signed as it should be"),
    ],
)
def test_an_attestation_that_lacks_a_part_is_refused(
    real: dict[str, Any], sha256: str, change: Change, reason: str
) -> None:
    change(first(real))
    assert reason in refused(real, sha256)


def test_no_part_of_an_attestation_can_be_left_out_or_altered(
    real: dict[str, Any], sha256: str
) -> None:
    places = list(_places(first(real)))
    assert len(places) > 25
    for place in places:
        values: tuple[object, ...] = (None, "", [], "QUFBQQ==", -1)
        for value in values:
            changed = copy.deepcopy(real)
            parent: Any = first(changed)
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = value
            assert refused(changed, sha256), place


def _places(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in entries:
        yield (*before, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*before, key))


def test_an_index_refuses_a_wheel_whose_provenance_is_for_another_file(
    assets: dict[str, bytes], tmp_path: Path
) -> None:
    path = wheel(tmp_path / "in")
    path.with_name(f"{path.name}.provenance").write_bytes(assets[f"{NAME}.provenance"])
    projects = {"tflite-runtime": ProjectSettings()}
    settings = IndexSettings(projects=projects)
    for publisher, reason in ((OURS, "SHA-256 differs"), (None, "no --repo says")):
        with pytest.raises(WheelhouseError) as caught:
            make_site([tmp_path / "in"], settings, Place(), tmp_path / "site", publisher)
        error = caught.value
        assert error.what.startswith(f"{path.name} has a provenance")
        assert reason in error.what
        assert "with --repo" in error.hint
        assert (error.kind, error.topic) == (Kind.INDEX, "refused-provenance")
        assert not (tmp_path / "site").exists()
