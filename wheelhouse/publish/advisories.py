"""Known vulnerabilities of the locked requirements, and of what wheels are made of by their SBOMs.

``pip-audit`` asks the OSV database, which has those of projects of the Python package index. The
components of an SBOM that have such a project are asked for too; what :mod:`vex` says does not
apply is left out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from packageurl import PackageURL

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.package import sbom
from wheelhouse.publish.vex import Statement
from wheelhouse.sources.origins import origin

_AUDIT = (*process.PYTHON, "pip_audit", "--vulnerability-service", "osv", "--disable-pip")
_SHOWN = ("--format", "json", "--progress-spinner", "off", "--desc", "off")


class Vulnerability(msgspec.Struct, frozen=True):
    """One that pip-audit reports."""

    id: str
    aliases: tuple[str, ...] = ()
    fix_versions: tuple[str, ...] = ()

    @property
    def ids(self) -> set[str]:
        """All names of it."""
        return {self.id, *self.aliases}


class Project(msgspec.Struct, frozen=True):
    """A project of the Python package index that pip-audit asked for."""

    name: str
    version: str = ""
    vulns: tuple[Vulnerability, ...] = ()
    skip_reason: str = ""


class _Report(msgspec.Struct):
    dependencies: tuple[Project, ...]


def check(
    lock: Path, sboms: Iterable[str], known: Mapping[str, Statement], store: Store, osv: str = ""
) -> None:
    """Print what is asked for and found; raises WheelhouseError if a vulnerability applies.

    ``lock`` is a hash-locked requirements file, ``known`` are the statements of vex.toml. ``osv``
    is the address of queries to another OSV server, or empty.
    """
    listed, others = projects(sboms)
    found = [("requirements.lock", each) for each in _audit(["--require-hashes"], lock, store, osv)]
    with tempfile.TemporaryDirectory() as scratch:
        for number, group in enumerate(_one_version_each(listed)):
            path = Path(scratch, f"{number}.txt")
            path.write_text("".join(f"{name}=={version}\n" for name, version in group))
            found += [("wheels", each) for each in _audit(["--no-deps"], path, store, osv)]
    console.say(f"{len(found)} projects asked for; no list of advisories has {', '.join(others)}")
    rows = [
        (where, project.name, project.version, each.id, ", ".join(each.fix_versions))
        for where, project in found
        for each in project.vulns
        if where != "wheels" or not _dismissed(project, each, known)
    ]
    if rows:
        console.table(
            "Known vulnerabilities", ("of", "project", "version", "id", "mended in"), rows
        )
        names = ", ".join(dict.fromkeys(row[3] for row in rows))
        raise WheelhouseError(
            f"There are known vulnerabilities: {names}.",
            "Pin a version that has it mended; or, if it does no harm in a wheel, say why in "
            "wheelhouse/publish/vex.toml.",
            Kind.AUDIT,
        )
    console.result("No known vulnerability applies")


def projects(sboms: Iterable[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The projects that components are listed under, with versions; and all other components."""
    listed: dict[tuple[str, str], None] = {}
    others: dict[str, None] = {}
    for text in sboms:
        for part in json.loads(text).get("components", ()):
            properties = {row["name"]: row["value"] for row in part.get("properties", ())}
            if address := properties.get(sbom.ADVISORIES):
                url = PackageURL.from_string(address)
                listed[url.name, str(url.version)] = None
            else:
                others[part["bom-ref"]] = None
    return sorted(listed), sorted(others)


def _one_version_each(listed: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The projects in groups that have no project twice."""
    groups: list[dict[str, str]] = []
    for name, version in listed:
        free = next((group for group in groups if name not in group), None)
        if free is None:
            groups.append(free := {})
        free[name] = version
    return [list(group.items()) for group in groups]


def _audit(words: Sequence[str], requirements: Path, store: Store, osv: str) -> Sequence[Project]:
    """Each project of a requirements file with what is known of its version."""
    address = ("--osv-url", osv) if osv else ()
    with tempfile.TemporaryDirectory() as cache:
        command = [*_AUDIT, *_SHOWN, *address, "--cache-dir", cache, *words, "-r", requirements]
        done = process.run(command)
    try:
        report = msgspec.json.decode(done.stdout, type=_Report)
    except msgspec.DecodeError as error:
        raise process.failure(
            "The OSV database could not be asked",
            done,
            store.log("pip-audit"),
            "Check the network and the proxy.",
            done.stderr.strip().rpartition("\n")[2],
            Kind.FETCH,
        ) from error
    if skipped := [each.name for each in report.dependencies if each.skip_reason]:
        raise WheelhouseError(
            f"pip-audit left out {', '.join(skipped)}.", "Pin an exact version.", Kind.AUDIT
        )
    return report.dependencies


def _dismissed(project: Project, found: Vulnerability, known: Mapping[str, Statement]) -> bool:
    """Whether a statement says that a vulnerability of a project in wheels does not apply."""
    return any(
        project.version in versions and origin(name, project.version).pypi == project.name
        for identifier in found.ids & known.keys()
        for name, versions in known[identifier].affects.items()
    )
