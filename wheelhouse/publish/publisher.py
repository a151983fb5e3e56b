"""Who signs the provenance of wheels; apart from :mod:`provenance`, which loads slowly."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from wheelhouse.common.toml import Table


class Publisher(Table, frozen=True):
    """The workflow on GitHub that signs wheels."""

    repository: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+$")]
    """Its repository, as in ``owner/name``."""
    workflow: Annotated[str, Meta(pattern=r"^[\w.-]+\.ya?ml$")]
    """Its file in ``.github/workflows``."""

    def __str__(self) -> str:
        return f"{self.workflow} of {self.repository}"


class UnprovenError(Exception):
    """A provenance is refused; the message completes a sentence that begins with a file's name."""
