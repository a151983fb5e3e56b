"""The list of everything that a wheel is made of: a CycloneDX 1.6 SBOM for ``.dist-info/sboms``.

It is made of the step that makes the wheel, so that no component can be forgotten: each pinned
component that this step or one that it needs declares is in the list. Equal steps give equal bytes.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import (
    Component,
    ComponentScope,
    ComponentType,
    Diff,
    Patch,
    PatchClassification,
    Pedigree,
)
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from wheelhouse.common.step import Step, plan
from wheelhouse.common.store import file_digest
from wheelhouse.sources import pins
from wheelhouse.sources.origins import CompilerPart, Origin, origin, origins
from wheelhouse.sources.pins import Artefact

PROJECT = "tflite-wheelhouse"
SUFFIX = ".cdx.json"
FOLDER = "sboms"

TREE = f"{PROJECT}:tree-sha256"
"""The property with the digest of a component's unpacked files, if that is what is pinned."""

USE = f"{PROJECT}:use"
"""The property that says how a component is used: ``part``, ``headers`` or ``pictures``."""

ADVISORIES = f"{PROJECT}:advisories"
"""The property with the package URL under which a component's known vulnerabilities are listed."""


def components_of(wheel: Step) -> list[pins.Component]:
    """The pinned components that a step needs, directly or not, each once, sorted by label."""
    found: dict[str, pins.Component] = {}
    for step in plan(wheel):
        for need in step.needs.values():
            # One that is compiled for a processor has that processor's patches too.
            if isinstance(need, pins.Component) and (
                need.label not in found or len(need.patches) > len(found[need.label].patches)
            ):
                found[need.label] = need
    return [found[label] for label in sorted(found)]


def listed(step: Step, license: str, *, compiled: bool) -> Step:
    """The step of a wheel with one parameter more: ``sbom``, the text of its SBOM.

    ``license`` is the SPDX expression of the whole wheel. A ``compiled`` one has parts of the
    compiler. Raises WheelhouseError for a component that origins.toml does not have.
    """
    metadata = step.parameters["metadata"]
    text = _render(metadata["package"], metadata["version"], license, step, compiled)
    return replace(step, parameters={**step.parameters, "sbom": text})


def _render(package: str, version: str, license: str, made_by: Step, compiled: bool) -> str:
    project = canonicalize_name(package)
    wheel = Component(
        name=project,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{project}-{version}",
        supplier=OrganizationalEntity(name=PROJECT),
        purl=PackageURL("pypi", None, project, version),
        licenses=[LicenseExpression(license)],
    )
    parts = [component(each) for each in components_of(made_by)]
    bom = Bom()
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.metadata.component = wheel
    if compiled:
        compiler = _compiler_part("zig", origins().compiler, ComponentType.APPLICATION)
        bom.metadata.tools.components.add(compiler)
        parts += [_compiler_part(name, part) for name, part in origins().runtimes.items()]
    bom.components.update(parts)
    bom.register_dependency(wheel, parts)
    return as_json(bom)


def as_json(bom: Bom) -> str:
    """A document as JSON; its serial number follows from the rest of its content."""
    bom.serial_number = uuid5(NAMESPACE_URL, PROJECT)
    bom.serial_number = uuid5(NAMESPACE_URL, _json(bom))
    return f"{_json(bom)}\n"


def _json(bom: Bom) -> str:
    outputter = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
    return outputter.output_as_string(indent=1)


def component(pinned: pins.Component) -> Component:
    """A pinned component as the SBOM lists it; raises WheelhouseError if it has no origin.

    What is compiled from a user's checkout has only the digest of its files.
    """
    pin, known = pinned.pin, origin(pinned.name, pinned.pin.version)
    artefacts = () if pinned.checkout else pin.artefacts
    return Component(
        name=pinned.name,
        version=pin.version,
        type=ComponentType.LIBRARY if known.use != "pictures" else ComponentType.DATA,
        bom_ref=pinned.label,
        scope=ComponentScope.REQUIRED if known.use == "part" else ComponentScope.EXCLUDED,
        supplier=OrganizationalEntity(name=known.supplier),
        purl=None if pinned.checkout else known.package_url(pin.version),
        cpe=None if pinned.checkout else known.cpe.format(version=pin.version) or None,
        licenses=[LicenseExpression(pin.license)],
        hashes=[_sha256(each) for each in artefacts if each.sha256 and not each.folder],
        external_references=map(_reference, artefacts),
        pedigree=_pedigree(pinned),
        properties=_properties(pinned, known),
    )


def _sha256(artefact: Artefact) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=artefact.sha256)


def _reference(artefact: Artefact) -> ExternalReference:
    """A file that may be fetched; a carton, a large archive, has the component in a folder."""
    place = f", in its folder {artefact.folder}" if artefact.folder else ""
    named = "" if artefact.url and not place else f"{artefact.origin}{place}"
    return ExternalReference(
        type=ExternalReferenceType.SOURCE_DISTRIBUTION,
        url=XsUri(artefact.url or artefact.debian or artefact.npm or artefact.pypi),
        comment=named or None,
        hashes=[_sha256(artefact)] if artefact.sha256 else None,
    )


def _pedigree(pinned: pins.Component) -> Pedigree | None:
    patches = [
        Patch(
            type=PatchClassification.UNOFFICIAL,
            diff=Diff(
                url=XsUri(
                    f"{pins.PATCHES.name}/{path.parent.name}/{path.name}#sha256={file_digest(path)}"
                )
            ),
        )
        for path in pinned.patches
    ]
    return Pedigree(patches=patches) if patches else None


def _properties(pinned: pins.Component, known: Origin) -> list[Property]:
    version = pinned.pin.version
    values = {
        USE: known.use,
        TREE: pinned.pin.tree,
        ADVISORIES: str(PackageURL("pypi", None, known.pypi, version)) if known.pypi else "",
    }
    return [Property(name=name, value=value) for name, value in values.items() if value]


def _compiler_part(
    name: str, part: CompilerPart, type: ComponentType = ComponentType.LIBRARY
) -> Component:
    archive = HashType(alg=HashAlgorithm.SHA_256, content=origins().compiler.sha256)
    return Component(
        name=name,
        version=part.version,
        type=type,
        bom_ref=f"{name}-{part.version}",
        supplier=OrganizationalEntity(name=part.supplier),
        purl=part.package_url,
        licenses=[LicenseExpression(part.license)],
        hashes=[archive],
    )
