"""A static package index: from wheels and a few settings to the pages that installers read.

HTML pages (PEP 503) for any static host, and the same as JSON (PEP 691) beside them for a server
that can choose by the request's Accept header. Both say what the later standards added: yanks
(592), core metadata (658, 714), versions, sizes and times (700), provenance (740) and project
status (792).

The older spelling of core metadata, ``dist-info-metadata``, is in neither. pip 22.3 to 23.1 know
no other: in JSON they fail on it, and in HTML on it with a project's name not spelled as in the
wheel, such as ``tflite_runtime``. Without it they read the wheel itself.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Meta
from packaging.utils import canonicalize_name

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.common.toml import Table, load
from wheelhouse.publish.wheel_file import File

API = "1.4"
"""The newest version of the simple repository API that the pages keep to: that of PEP 792."""

FILES = "files"
FOLDER = "{folder}"

templates = Environment(
    loader=FileSystemLoader(ROOT / "wheelhouse" / "publish" / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)

Reason = Annotated[str, Meta(min_length=1)]
Time = Annotated[datetime, Meta(tz=True)]


class Project(Table, frozen=True):
    """A ``[projects.<name>]`` table of ``index.toml``; keys are versions or file names."""

    status: Literal["active", "archived", "deprecated", "quarantined"] = "active"
    reason: str = ""
    yanked: Mapping[str, Reason] = {}
    uploaded: Mapping[str, Time] = {}

    def yank(self, file: File) -> str | None:
        """Why the file is yanked; None if it is not."""
        return self.yanked.get(file.name, self.yanked.get(str(file.version)))

    def time(self, file: File) -> datetime:
        """When the file was uploaded, in UTC: when it was verified, if nothing else is said."""
        said = self.uploaded.get(file.name, self.uploaded.get(str(file.version)))
        return (said or file.record.date).astimezone(timezone.utc)


class Settings(Table, frozen=True):
    """The whole of ``index.toml``."""

    projects: Mapping[str, Project]

    def __post_init__(self) -> None:
        for name in self.projects:
            if name != canonicalize_name(name):
                raise ValueError(f"projects.{name} must be written {canonicalize_name(name)}")

    @classmethod
    def given(cls, path: Path) -> Settings:
        """What the file says; raises WheelhouseError naming the place that is wrong."""
        if not path.is_file():
            raise WheelhouseError(
                f"There is no {path.name}, which names the projects of the index.",
                f"Write {path} with a table [projects.<name>] for each; git has the usual one.",
                Kind.USAGE,
            )
        return load(path, cls)


@dataclass(frozen=True)
class Place:
    """Where the index will be served: the addresses of the site and of the wheels, if known.

    Without ``files`` the wheels lie in the site. ``{folder}`` in it stands for the name of the
    folder that a wheel lies in here, for example a release's tag.
    """

    site: str = ""
    files: str = ""

    def __post_init__(self) -> None:
        for address in filter(None, (self.site, self.files)):
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
                raise WheelhouseError(
                    f"{address} is no address for an index.",
                    "Give one that begins with https:// and holds no user name or password.",
                )

    def of(self, file: File, site: str) -> str:
        """The file's address, seen from a page from which ``site`` leads to the site's root."""
        if not self.files:
            return f"{site}{FILES}/{quote(file.name)}"
        return f"{_slash(self.files)}{quote(file.name)}".replace(
            FOLDER, quote(file.path.parent.name)
        )

    def provenance(self, file: File) -> str | None:
        """The full address of the file's provenance, as PEP 740 wants it.

        Raises WheelhouseError if there is a provenance, but no address to show it under.
        """
        if file.provenance is None:
            return None
        if not self.site.startswith("https:"):
            raise WheelhouseError(
                f"{file.name} has a provenance, which needs a full https address.",
                "Say with --url where the site will be served.",
            )
        return f"{_slash(self.site)}{FILES}/{quote(file.name)}.provenance"


@dataclass(frozen=True)
class Link:
    """A file as the pages show it; ``core_metadata`` is the SHA-256 of the file with that."""

    name: str
    url: str
    sha256: str
    size: int
    time: datetime
    requires_python: str | None
    core_metadata: str | None
    yanked: str | None
    provenance: str | None


@dataclass(frozen=True)
class Shelf:
    """A project's files, oldest version first; ``spellings`` are names that lead to it."""

    name: str
    project: Project
    files: Sequence[File]
    spellings: Sequence[str] = field(default=())


def generate(files: Sequence[File], settings: Settings, place: Place = Place()) -> dict[str, bytes]:
    """Every page and small file of the index by its path in the site; not the wheels themselves.

    Raises WheelhouseError naming what does not fit: two files of one name, a project or a key that
    ``index.toml`` should not or does not have.
    """
    shelves = shelve(files, settings)
    names = sorted(shelf.name for shelf in shelves)
    pages = {
        "simple/index.html": _html("projects.html", names=names),
        "simple/index.json": _json({"projects": [{"name": name} for name in names]}),
        f"{FILES}/index.html": _html(
            "files.html",
            shelves=[(shelf.name, _good(_links(shelf, place, "../"))) for shelf in shelves],
        ),
    }
    for shelf in shelves:
        links = _links(shelf, place, "../../")
        for spelling in shelf.spellings:
            folder = f"simple/{spelling}"
            pages[f"{folder}/index.html"] = _html("project.html", shelf=shelf, links=links)
            pages[f"{folder}/index.json"] = _json(_detail(shelf, links))
        for file in shelf.files:
            pages |= _companions(file, place)
    return pages


def shelve(files: Sequence[File], settings: Settings) -> list[Shelf]:
    """The files of every known project, in one order whatever order they come in.

    A quarantined project keeps no file. Raises WheelhouseError as :func:`generate` does.
    """
    distinct: dict[str, File] = {}
    for file in files:
        other = distinct.setdefault(file.name, file)
        if other.sha256 != file.sha256:
            raise WheelhouseError(
                f"There are two different files named {file.name}.",
                f"Keep the published one of {other.path} and {file.path}.",
            )
        if file.project not in settings.projects:
            raise WheelhouseError(
                f"{file.name} belongs to {file.project}, which index.toml does not know.",
                f"Add [projects.{file.project}] to index.toml, or take the file away.",
            )
    return [
        _shelf(name, project, [file for file in distinct.values() if file.project == name])
        for name, project in settings.projects.items()
    ]


def _shelf(name: str, project: Project, files: Sequence[File]) -> Shelf:
    known = {word for file in files for word in (file.name, str(file.version))}
    for key in (*project.yanked, *project.uploaded):
        if key not in known:
            raise WheelhouseError(
                f"index.toml speaks of {key} in projects.{name}, but there is no such file or "
                "version.",
                "Correct the key, or add the wheels' folder with --wheels.",
            )
    spellings = {name, *_spellings(name), *(file.metadata.name for file in files)}
    kept = [] if project.status == "quarantined" else sorted(files, key=_order)
    return Shelf(name, project, kept, sorted(spellings))


def _spellings(name: str) -> Iterator[str]:
    """The normalised name with every separator written each way."""
    first, *rest = name.split("-")
    for separators in itertools.product("-_.", repeat=len(rest)):
        yield first + "".join(f"{mark}{word}" for mark, word in zip(separators, rest, strict=True))


def _order(file: File) -> tuple[Any, str]:
    return file.version, file.name


def _links(shelf: Shelf, place: Place, site: str) -> list[Link]:
    return [
        Link(
            name=file.name,
            url=place.of(file, site),
            sha256=file.sha256,
            size=file.size,
            time=shelf.project.time(file),
            requires_python=str(file.metadata.requires_python or "") or None,
            core_metadata=_core_metadata(file, place),
            yanked=shelf.project.yank(file),
            provenance=place.provenance(file),
        )
        for file in shelf.files
    ]


def _good(links: Sequence[Link]) -> list[Link]:
    """The links that are not yanked: who reads a flat page need not know what that is."""
    return [link for link in links if not link.yanked]


def _core_metadata(file: File, place: Place) -> str | None:
    """The metadata's SHA-256, unless the wheel lies elsewhere without its metadata beside it."""
    if place.files and not file.published_metadata:
        return None
    return hashlib.sha256(file.core).hexdigest()


def _companions(file: File, place: Place) -> dict[str, bytes]:
    texts = {"verified.json": file.record_text, "provenance": file.provenance}
    if not place.files:
        texts["metadata"] = file.core
    return {f"{FILES}/{file.name}.{kind}": text for kind, text in texts.items() if text is not None}


def _detail(shelf: Shelf, links: Sequence[Link]) -> dict[str, Any]:
    status = {"status": shelf.project.status, "reason": shelf.project.reason}
    versions = dict.fromkeys(str(file.version) for file in shelf.files)
    return {
        "name": shelf.name,
        "project-status": {key: value for key, value in status.items() if value},
        "versions": list(versions),
        "files": [_entry(link) for link in links],
    }


def _entry(link: Link) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": link.name,
        "url": link.url,
        "hashes": {"sha256": link.sha256},
        "size": link.size,
        "upload-time": link.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "yanked": link.yanked or False,
        "core-metadata": {"sha256": link.core_metadata} if link.core_metadata else False,
        "provenance": link.provenance,
    }
    if link.requires_python:
        entry["requires-python"] = link.requires_python
    return entry


def _json(content: Mapping[str, Any]) -> bytes:
    text = json.dumps({"meta": {"api-version": API}, **content}, indent=1, ensure_ascii=False)
    return f"{text}\n".encode()


def _html(template: str, **context: Any) -> bytes:
    return templates.get_template(template).render(api=API, **context).encode()


def _slash(address: str) -> str:
    return address if address.endswith("/") else f"{address}/"
