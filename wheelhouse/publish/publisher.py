"""Who signs the provenance of wheels; apart from :mod:`provenance`, which loads slowly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Publisher:
    """The workflow, a file in ``.github/workflows``, of a repository on GitHub, ``owner/name``."""

    repository: str
    workflow: str = "release.yml"

    def __str__(self) -> str:
        return f"{self.workflow} of {self.repository}"


class UnprovenError(Exception):
    """A provenance is refused; the message completes a sentence that begins with a file's name."""
