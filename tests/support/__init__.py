"""Helpers for several kinds of tests: servers, small wheels and archives, Debian programs."""

import shutil
from pathlib import Path

REPO = Path(__file__).parents[2]
"""This checkout."""


def copy_of_project(folder: Path) -> Path:
    """A copy of this project, without what was built, in a new folder."""
    left = shutil.ignore_patterns(".*", "__pycache__", "artefacts", "releases", "site", "wheels")
    shutil.copytree(REPO, folder, ignore=left)
    return folder
