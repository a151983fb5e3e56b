"""Compare two wheels with diffoscope."""

from __future__ import annotations

from pathlib import Path

from wheelhouse.common import process
from wheelhouse.common.store import Store, file_digest
from wheelhouse.machines import debian_packages

PROGRAMS = {"diffoscope": "diffoscope-minimal", "readelf": "binutils"}
"""The programs that a comparison runs, each with its Debian package."""

_SAME, _DIFFERENT = 0, 1
"""Diffoscope's exit statuses."""


def report(theirs: Path, ours: Path) -> str:
    """Diffoscope's report of two files; empty if their bytes are equal.

    Raises WheelhouseError if diffoscope is missing or fails.
    """
    if file_digest(theirs) == file_digest(ours):
        return ""
    debian_packages.ensure("Comparing", PROGRAMS)
    done = process.run(["diffoscope", "--no-progress", "--text", "-", theirs, ours])
    if done.status not in (_SAME, _DIFFERENT):
        raise process.failure(
            "diffoscope failed",
            done,
            Store.default().log(f"diffoscope-{theirs.name}"),
            f"Compare by hand: {theirs} and {ours}.",
        )
    return done.stdout
