"""What Debian's signed lists say of pinned files, recorded beside ``sources.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.toml import Table, load
from wheelhouse.sources.debian_index import PoolFile
from wheelhouse.sources.pins import Artefact

FILE = "debian.toml"
_HEAD = """\
# What Debian's lists say of the files of Debian that sources.toml pins, once for each pin. The
# lists had Debian's signature. `./inv update-pins --write` writes this; the tests compare it.
"""


class Signed(Table, frozen=True):
    """What a signed list says of one file."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    """The SHA-256 of the file, in hex."""
    size: int
    """The file's size in bytes."""
    suite: str
    """The suite that lists it, as in ``trixie``."""
    signed: date
    """The day on which Debian signed the suite's lists."""


class DebianRecord(Table, frozen=True):
    """The whole of ``debian.toml``."""

    files: Mapping[str, Signed] = {}
    """The files that a suite lists, by their path in Debian's archive."""
    unlisted: tuple[str, ...] = ()
    """The files in the archive that no suite listed when they were looked for."""


def read(folder: Path) -> DebianRecord:
    """The record beside ``sources.toml``; an empty one if there is none."""
    path = folder / FILE
    return load(path, DebianRecord) if path.is_file() else DebianRecord()


def check(pinned: Sequence[Artefact], listed: Sequence[PoolFile]) -> None:
    """Raise WheelhouseError if a list has another SHA-256 or size of a pinned file."""
    problems = [
        f"{each.debian}: {file.suite} lists {file.sha256} with {file.size} bytes, the pin is "
        f"{each.sha256} with {each.largest}"
        for each in pinned
        for file in listed
        if file.path == each.debian and not matches(each, file.sha256, file.size)
    ]
    if problems:
        raise WheelhouseError(
            "\n  ".join(["Debian signed other files than sources.toml pins:", *problems]),
            "Build nothing of them until you know which is right. `git log` tells who wrote the "
            "pin; correct it there, or ask another mirror.",
            Kind.FETCH,
        )


def matches(pinned: Artefact, sha256: str, size: int) -> bool:
    """Whether a list says of a file what its pin says, as far as that says something."""
    return pinned.sha256 in ("", sha256) and (pinned.size in (0, size))


def renewed(
    old: DebianRecord, every: Sequence[Artefact], asked: set[str], listed: Sequence[PoolFile]
) -> DebianRecord:
    """The record for all pinned files of Debian, of which those ``asked`` were looked for.

    What was recorded of a file stays, unless its pin changed.
    """
    found = {file.path: file for file in reversed(listed)}
    files: dict[str, Signed] = {}
    unlisted: list[str] = []
    for each in sorted(every, key=lambda each: each.debian):
        path, known = each.debian, old.files.get(each.debian)
        file = found.get(path)
        if known and matches(each, known.sha256, known.size):
            files[path] = known
        elif path in asked and file and file.signed:
            files[path] = Signed(file.sha256, file.size, file.suite, file.signed)
        elif path in asked or path in old.unlisted:
            unlisted.append(path)
    return DebianRecord(files, tuple(unlisted))


def write(record: DebianRecord, folder: Path) -> None:
    """Write the record beside ``sources.toml``."""
    rows = "".join(f'    "{path}",\n' for path in record.unlisted)
    tables = "".join(
        f'\n[files."{path}"]\nsha256 = "{each.sha256}"\nsize = {each.size}\n'
        f'suite = "{each.suite}"\nsigned = {each.signed.isoformat()}\n'
        for path, each in record.files.items()
    )
    unlisted = f"unlisted = [\n{rows}]\n" if rows else "unlisted = []\n"
    (folder / FILE).write_text(f"{_HEAD}{unlisted}{tables}", encoding="utf-8")
