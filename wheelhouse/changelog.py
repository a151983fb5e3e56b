"""Changelog fragments: each change is a file in changes/; a release moves them to CHANGELOG.md."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from wheelhouse.common.errors import Kind, WheelhouseError

_ENTRY = re.compile(r"- \S.*\n(  \S.*\n)*")
_UNRELEASED = "## Unreleased\n\n"


def fold(root: Path, release: str) -> None:
    """Move the entries in ``changes/`` into ``CHANGELOG.md``, under ``release`` and today's date.

    Raises WheelhouseError if there is no entry, or for a file that is not exactly one entry.
    """
    files = fragments(root)
    if not files:
        raise WheelhouseError(
            "There is no change in changes/.", "Add a file for each change there.", Kind.USAGE
        )
    entries = "".join(entry(path) for path in files)
    today = datetime.now(timezone.utc).date()
    log = root / "CHANGELOG.md"
    before, _, rest = log.read_text(encoding="utf-8").partition(_UNRELEASED)
    end = "" if rest.startswith("- ") else "\n"
    text = f"{before}{_UNRELEASED}## {release}, {today}\n\n{entries}{end}{rest}"
    log.write_text(text.rstrip() + "\n", encoding="utf-8")
    for path in files:
        path.unlink()


def fragments(root: Path) -> list[Path]:
    """The files in ``changes/``, each with one entry."""
    return sorted(path for path in (root / "changes").glob("*.md") if path.name != "README.md")


def entry(path: Path) -> str:
    """The entry in a file; raises WheelhouseError if the file is not exactly one entry."""
    text = path.read_text(encoding="utf-8")
    if not _ENTRY.fullmatch(text):
        raise WheelhouseError(
            f"{path} is not one entry of the changelog.",
            "Begin the entry with `- ` and indent its other lines by two spaces.",
            Kind.USAGE,
        )
    return text
