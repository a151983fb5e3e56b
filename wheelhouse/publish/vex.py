"""What known vulnerabilities of components do not apply to wheels: a CycloneDX VEX of vex.toml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Literal

from cyclonedx.model import XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.impact_analysis import (
    ImpactAnalysisAffectedStatus,
    ImpactAnalysisJustification,
    ImpactAnalysisState,
)
from cyclonedx.model.vulnerability import (
    BomTarget,
    BomTargetVersionRange,
    Vulnerability,
    VulnerabilityAnalysis,
    VulnerabilitySource,
)
from msgspec import Meta

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.common.toml import Table, load
from wheelhouse.package import sbom
from wheelhouse.sources import pins

FILE = ROOT / "wheelhouse" / "publish" / "vex.toml"

PAGE = f"vex{sbom.SUFFIX}"
"""The file of the site."""

Id = Annotated[str, Meta(pattern=r"^(CVE-\d{4}-\d{4,}|GHSA(-[23456789cfghjmpqrvwx]{4}){3})$")]
Text = Annotated[str, Meta(min_length=1)]


class Statement(Table, frozen=True):
    """The table of a known vulnerability in ``vex.toml``."""

    url: Annotated[str, Meta(pattern="^https://")]
    """Where it is described."""
    affects: Annotated[
        Mapping[str, Annotated[tuple[str, ...], Meta(min_length=1)]], Meta(min_length=1)
    ]
    """For each component, by name without its processor, the pinned versions that are meant."""
    state: Literal["not_affected", "resolved"]
    """``not_affected`` if it cannot do harm here, ``resolved`` if these versions have it mended."""
    detail: Text
    """Why, in sentences."""
    justification: Literal["", "code_not_present", "code_not_reachable"] = ""
    """The standard's word for why, with ``not_affected`` alone."""

    def __post_init__(self) -> None:
        if (self.state == "not_affected") != bool(self.justification):
            raise ValueError("justification must be set with not_affected, and only then")


@cache
def statements() -> Mapping[Id, Statement]:
    """What vex.toml says; raises WheelhouseError naming the key that is wrong."""
    return load(FILE, dict[Id, Statement])


def document(known: Mapping[str, Statement], pinned: Iterable[pins.Component]) -> str:
    """The VEX of these statements as JSON, with the components of SBOMs that they are about.

    Raises WheelhouseError for a component or a version that no pin has.
    """
    parts = list(pinned)
    bom = Bom()
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.metadata.component = Component(
        name=sbom.PROJECT, type=ComponentType.APPLICATION, bom_ref=sbom.PROJECT
    )
    for identifier, statement in known.items():
        meant = list(_meant(identifier, statement, parts))
        bom.components.update(map(sbom.component, meant))
        bom.vulnerabilities.add(_vulnerability(identifier, statement, meant))
    bom.register_dependency(bom.metadata.component, bom.components)
    return sbom.as_json(bom)


def _meant(
    identifier: str, statement: Statement, pinned: Iterable[pins.Component]
) -> Iterator[pins.Component]:
    for name, versions in statement.affects.items():
        for version in versions:
            found = [
                part
                for part in pinned
                if f"{part.name}-".startswith(f"{name}-") and part.pin.version == version
            ]
            if not found:
                raise WheelhouseError(
                    f"{FILE.name}: {identifier} is about {name} {version}, which no pin has.",
                    f"Judge it anew for the version that is pinned, or remove it from {FILE}.",
                    Kind.USAGE,
                )
            yield from found


def _vulnerability(
    identifier: str, statement: Statement, meant: Iterable[pins.Component]
) -> Vulnerability:
    why = statement.justification
    return Vulnerability(
        bom_ref=identifier,
        id=identifier,
        source=VulnerabilitySource(url=XsUri(statement.url)),
        analysis=VulnerabilityAnalysis(
            state=ImpactAnalysisState(statement.state),
            justification=ImpactAnalysisJustification(why) if why else None,
            detail=statement.detail.strip(),
        ),
        affects=[
            BomTarget(
                ref=part.label,
                versions=[
                    BomTargetVersionRange(
                        version=part.pin.version, status=ImpactAnalysisAffectedStatus.UNAFFECTED
                    )
                ],
            )
            for part in meant
        ],
    )


def page() -> bytes:
    """The VEX of this checkout, for the site."""
    return document(statements(), pins.all_components()).encode()
