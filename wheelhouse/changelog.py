"""The changelog: each change is a file in changes/, and a release moves them into CHANGELOG.md."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from wheelhouse.common.errors import Kind, WheelhouseError

_ENTRY = re.compile(r"- \S.*\n(  \S.*\n)*")
_UNRELEASED = "## Unreleased\n\n"


def fold(root: Path, release: str) -> None:
    """Move what is in ``changes/`` into ``CHANGELOG.md``, below ``release`` and today's date.

    Raises WheelhouseError if there is no change, or naming the file that is not one entry.
    """
    files = fragments(root)
    if not files:
        raise WheelhouseError(
            "There is no change in changes/.", "Describe each in a file there.", Kind.USAGE
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
    """The files of ``changes/`` that each tell a change."""
    return sorted(path for path in (root / "changes").glob("*.md") if path.name != "README.md")


def entry(path: Path) -> str:
    """A file's entry; raises WheelhouseError if it is not exactly one."""
    text = path.read_text(encoding="utf-8")
    if not _ENTRY.fullmatch(text):
        raise WheelhouseError(
            f"{path} is not one entry of the changelog.",
            "Begin it with `- ` and indent the lines that follow by two spaces.",
            Kind.USAGE,
        )
    return text
