"""Generate the pages of a static package index from wheels and the settings in ``index.toml``.

Each page exists as HTML (PEP 503), which any static host can serve, and as JSON (PEP 691), for a
server that chooses by the request's Accept header. Both have what later standards added: yanks
(PEP 592), core metadata (PEP 658 and 714), versions, sizes and upload times (PEP 700), provenance
(PEP 740) and project status (PEP 792).

Neither has ``dist-info-metadata``, the older key for core metadata and the only one that pip 22.3
to 23.1 read. Those releases fail on that key in JSON. In HTML they fail if the key is there and
the requested project name is not spelled as in the wheel, such as ``tflite_runtime``. Without the
key they read the metadata from the wheel.
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
from wheelhouse.publish.wheel_file import WheelFile
from wheelhouse.record import PACKED

API = "1.4"
"""The version of the simple repository API that the pages conform to, that of PEP 792."""

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


class ProjectSettings(Table, frozen=True):
    """What the index says of a project beyond what its wheels tell."""

    status: Literal["active", "archived", "deprecated", "quarantined"] = "active"
    """The project's status (PEP 792); a quarantined project offers no file."""
    reason: str = ""
    """Why it has that status."""
    yanked: Mapping[str, Reason] = {}
    """For a version or a file name, why pip should not choose it any more (PEP 592)."""
    uploaded: Mapping[str, Time] = {}
    """For a version or a file name, when it was uploaded; otherwise when it was verified."""

    def yank(self, file: WheelFile) -> str | None:
        """The reason why the file is yanked; None if it is not."""
        names = (file.name, file.tried_as, str(file.version))
        return next((self.yanked[name] for name in names if name in self.yanked), None)

    def time(self, file: WheelFile) -> datetime:
        """The upload time in UTC; the time of verification if ``uploaded`` has none."""
        names = (file.name, file.tried_as, str(file.version))
        stated = next((self.uploaded[name] for name in names if name in self.uploaded), None)
        return (stated or file.date).astimezone(timezone.utc)


class IndexSettings(Table, frozen=True):
    """The whole of ``index.toml``."""

    projects: Mapping[str, ProjectSettings]
    """The projects of the index, by name as in ``tflite-runtime``."""
    address: str = ""
    """Where the index is published, for README and documentation; ``--url`` is for the site."""

    def __post_init__(self) -> None:
        for name in self.projects:
            if name != canonicalize_name(name):
                raise ValueError(f"projects.{name} must be written {canonicalize_name(name)}")

    @classmethod
    def read(cls, path: Path) -> IndexSettings:
        """Read the settings; raises WheelhouseError naming the key that is wrong."""
        if not path.is_file():
            raise WheelhouseError(
                f"There is no {path.name}, which names the projects of the index.",
                f"Write {path} with a table [projects.<name>] for each, or restore it from git.",
                Kind.USAGE,
            )
        return load(path, cls)


@dataclass(frozen=True)
class Place:
    """The URLs at which the site and the wheels will be served; empty if not known.

    If ``files`` is empty, the wheels are part of the site. In ``files``, ``{folder}`` stands for
    the name of the folder that holds the wheel on this machine, for example a release's tag.
    """

    site: str = ""
    files: str = ""

    def __post_init__(self) -> None:
        for address in filter(None, (self.site, self.files)):
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
                raise WheelhouseError(
                    f"{address} is no address for an index.",
                    "Give an address that begins with https:// and has no user name or password.",
                )

    def url_for(self, file: WheelFile, site: str) -> str:
        """The file's URL for a page whose relative path to the site's root is ``site``."""
        if self.has(file):
            return f"{site}{FILES}/{quote(file.name)}"
        return f"{_with_slash(self.files)}{quote(file.name)}".replace(
            FOLDER, quote(file.path.parent.name)
        )

    def has(self, file: WheelFile) -> bool:
        """Whether the site serves the file itself; nobody else has one for older pips."""
        return not self.files or bool(file.tried_as)

    def provenance(self, file: WheelFile) -> str | None:
        """The absolute URL of the file's provenance, which PEP 740 demands; None without one.

        Raises WheelhouseError if the file has a provenance but the site's URL is not known.
        """
        if file.provenance is None:
            return None
        if not self.site.startswith("https:"):
            raise WheelhouseError(
                f"{file.name} has a provenance, which needs a full https address.",
                "Give the address of the site with --url.",
            )
        return f"{_with_slash(self.site)}{FILES}/{quote(file.name)}.provenance"


@dataclass(frozen=True)
class Link:
    """A file as the pages list it.

    ``size`` is in bytes; ``core_metadata`` is the SHA-256 of the METADATA file.
    """

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
class ProjectFiles:
    """A project's files, oldest version first; a page is made for each of ``spellings``."""

    name: str
    settings: ProjectSettings
    files: Sequence[WheelFile]
    spellings: Sequence[str] = field(default=())


def generate(
    files: Sequence[WheelFile], settings: IndexSettings, place: Place = Place()
) -> dict[str, bytes]:
    """All pages and small files of the index by their path in the site, without the wheels.

    Raises WheelhouseError for two different files of one name, a project that ``index.toml`` does
    not have, and a key in it that is no file or version.
    """
    projects = group_by_project(files, settings)
    names = sorted(project.name for project in projects)
    pages = {
        "simple/index.html": _html("projects.html", names=names),
        "simple/index.json": _json({"projects": [{"name": name} for name in names]}),
        f"{FILES}/index.html": _html(
            "files.html",
            projects=[
                (project.name, _not_yanked(_links(project, place, "../"))) for project in projects
            ],
        ),
    }
    for project in projects:
        links = _links(project, place, "../../")
        html = _html("project.html", project=project, links=links)
        in_json = _json(_project_json(project, links))
        for spelling in project.spellings:
            pages[f"simple/{spelling}/index.html"] = html
            pages[f"simple/{spelling}/index.json"] = in_json
        for file in project.files:
            pages |= _files_beside(file, place)
    return pages


def group_by_project(files: Sequence[WheelFile], settings: IndexSettings) -> list[ProjectFiles]:
    """Group the files by project; the result does not depend on their order.

    A quarantined project has no files; an active one without files is left out. Raises
    WheelhouseError as :func:`generate` does.
    """
    distinct: dict[str, WheelFile] = {}
    for file in files:
        other = distinct.setdefault(file.name, file)
        if other.sha256 != file.sha256:
            raise WheelhouseError(
                f"There are two different files named {file.name}.",
                f"Keep the published one of {other.path} and {file.path}.",
            )
        if file.project not in settings.projects:
            raise WheelhouseError(
                f"{file.name} belongs to {file.project}, which index.toml does not have.",
                f"Add [projects.{file.project}] to index.toml, or remove the file.",
            )
    projects = [
        _project_files(name, project, [file for file in distinct.values() if file.project == name])
        for name, project in settings.projects.items()
    ]
    return [each for each in projects if each.files or each.settings.status != "active"]


def _project_files(
    name: str, settings: ProjectSettings, files: Sequence[WheelFile]
) -> ProjectFiles:
    known = {word for file in files for word in (file.name, str(file.version))}
    for key in (*settings.yanked, *settings.uploaded):
        if key not in known:
            raise WheelhouseError(
                f"index.toml has {key} in projects.{name}, but there is no such file or version.",
                "Correct the key, or add the folder of the wheels with --wheels.",
            )
    spellings = {name, *_spellings(name), *(file.metadata.name for file in files)}
    kept = [] if settings.status == "quarantined" else sorted(files, key=_sort_key)
    return ProjectFiles(name, settings, kept, sorted(spellings))


def _spellings(name: str) -> Iterator[str]:
    """All spellings of a normalised name: each separator as ``-``, ``_`` and ``.``."""
    first, *rest = name.split("-")
    for separators in itertools.product("-_.", repeat=len(rest)):
        yield first + "".join(f"{mark}{word}" for mark, word in zip(separators, rest, strict=True))


def _sort_key(file: WheelFile) -> tuple[Any, str]:
    return file.version, file.name


def _links(project: ProjectFiles, place: Place, site: str) -> list[Link]:
    return [
        Link(
            name=file.name,
            url=place.url_for(file, site),
            sha256=file.sha256,
            size=file.size,
            time=project.settings.time(file),
            requires_python=str(file.metadata.requires_python or "") or None,
            core_metadata=_core_metadata(file, place),
            yanked=project.settings.yank(file),
            provenance=place.provenance(file),
        )
        for file in project.files
    ]


def _not_yanked(links: Sequence[Link]) -> list[Link]:
    """The links that are not yanked; a flat list of files has no mark for yanked ones."""
    return [link for link in links if not link.yanked]


def _core_metadata(file: WheelFile, place: Place) -> str | None:
    """The SHA-256 of METADATA; None if no METADATA file is served beside the wheel."""
    if not place.has(file) and not file.published_metadata:
        return None
    return hashlib.sha256(file.metadata_text).hexdigest()


def _files_beside(file: WheelFile, place: Place) -> dict[str, bytes]:
    texts = {"provenance": file.provenance}
    if not file.tried_as:
        texts[f"verified.json{PACKED}"] = file.packed_record
    if place.has(file):
        texts["metadata"] = file.metadata_text
    return {f"{FILES}/{file.name}.{kind}": text for kind, text in texts.items() if text is not None}


def _project_json(project: ProjectFiles, links: Sequence[Link]) -> dict[str, Any]:
    status = {"status": project.settings.status, "reason": project.settings.reason}
    versions = dict.fromkeys(str(file.version) for file in project.files)
    return {
        "name": project.name,
        "project-status": {key: value for key, value in status.items() if value},
        "versions": list(versions),
        "files": [_file_json(link) for link in links],
    }


def _file_json(link: Link) -> dict[str, Any]:
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


def _with_slash(address: str) -> str:
    return address if address.endswith("/") else f"{address}/"
