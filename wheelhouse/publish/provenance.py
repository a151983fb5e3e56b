"""Verify a file's provenance (PEP 740): which workflow of which repository signed its SHA-256.

The network is not used. Sigstore's certificates and keys are those that its library ships, not
those in the user's cache.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from pydantic import ValidationError
from pypi_attestations import Attestation, AttestationType, GitHubPublisher, Provenance
from sigstore.errors import VerificationError
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier, policy

from wheelhouse.publish.publisher import Publisher, UnprovenError

HOST = "https://github.com"
ISSUER = policy.OIDCIssuerV2("https://token.actions.githubusercontent.com")
ROOT = resources.files("sigstore") / "_store/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
TYPE = "application/vnd.in-toto+json"

# What Fulcio writes into a certificate, by the number of the extension.
_FULCIO = "1.3.6.1.4.1.57264.1"
_REPOSITORY, _COMMIT, _REF, _WORKFLOW = (f"{_FULCIO}.{number}" for number in (12, 13, 14, 18))


def verify(text: bytes | None, name: str, sha256: str, publisher: Publisher) -> None:
    """Verify every attestation in a provenance of the file with this name and SHA-256, in hex.

    Raises UnprovenError if there is none, or if one is not signed by ``publisher`` for this file.
    """
    bundles = _parse(text).attestation_bundles
    attestations = [each for bundle in bundles for each in bundle.attestations]
    if not attestations:
        raise UnprovenError("has a provenance without an attestation")
    named = [bundle.publisher for bundle in bundles]
    wanted = (publisher.repository, publisher.workflow)
    for each in named:
        if not isinstance(each, GitHubPublisher) or (each.repository, each.workflow) != wanted:
            raise UnprovenError(f"has a provenance that names another publisher than {publisher}")
    for number, attestation in enumerate(attestations, 1):
        try:
            _verify(attestation, name, sha256, publisher)
        except UnprovenError as error:
            which = f"attestation {number} of {len(attestations)}"
            raise UnprovenError(f"has a provenance that does not hold: {which} {error}") from error


def _parse(text: bytes | None) -> Provenance:
    if text is None:
        raise UnprovenError("has no provenance")
    if not text.strip():
        raise UnprovenError("has an empty provenance")
    try:
        return Provenance.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise UnprovenError("has a provenance that is no JSON") from error
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UnprovenError(f"has a provenance of another form: {place}: {first['msg']}") from error


def _verify(attestation: Attestation, name: str, sha256: str, publisher: Publisher) -> None:
    try:
        kind, payload = _verifier().verify_dsse(attestation.to_bundle(), ISSUER)
        claims = attestation.certificate_claims
        statement = json.loads(payload)
        subjects, predicate = statement["subject"], statement["predicateType"]
        signed = [(_parsed(each["name"]), each["digest"]["sha256"]) for each in subjects]
    except VerificationError as error:
        raise UnprovenError(f"is not signed as it should be: {error}") from error
    except Exception as error:  # whatever hostile bytes bring about in the parsers is a refusal
        raise UnprovenError(f"cannot be read: {error!r}") from error
    if kind != TYPE or predicate not in {each.value for each in AttestationType}:
        raise UnprovenError(f"is of another kind: {predicate}")
    if [digest for _, digest in signed] != [sha256]:
        raise UnprovenError("is about other content, for the SHA-256 differs")
    if signed[0][0] != _parsed(name):
        raise UnprovenError(f"is about another file: {subjects[0]['name']}")
    _check_identity(claims, publisher)


def _check_identity(claims: dict[str, str], publisher: Publisher) -> None:
    """Compare the certificate's repository and workflow; its workflow ends in a ref or a commit."""
    repository = f"{HOST}/{publisher.repository}"
    if claims.get(_REPOSITORY) != repository:
        raise UnprovenError(f"is from {claims.get(_REPOSITORY)}, not from {repository}")
    workflow = f"{repository}/.github/workflows/{publisher.workflow}"
    known = [f"{workflow}@{claims[key]}" for key in (_REF, _COMMIT) if claims.get(key)]
    if claims.get(_WORKFLOW) not in known:
        raise UnprovenError(f"is from the workflow {claims.get(_WORKFLOW)}, not {workflow}")


def _parsed(name: str) -> tuple[Any, ...]:
    parse = parse_wheel_filename if name.endswith(".whl") else parse_sdist_filename
    return parse(name)


@cache
def _verifier() -> Verifier:
    with resources.as_file(ROOT / "trusted_root.json") as path:
        return Verifier(trusted_root=TrustedRoot.from_file(str(path)))
