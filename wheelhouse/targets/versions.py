"""The versions of wheels: upstream's, and a number for wheels that change while upstream does not.

A final release with the number 0 keeps its version. One in development always has two more digits:
without them a later day's first wheel would be older than an earlier day's second.
"""

from __future__ import annotations

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse.targets import matrix


def of_wheel(project: str, release: str) -> Version:
    """The version of a project's wheels of an upstream release, with the number in matrix.toml."""
    builds = matrix.matrix().builds.get(canonicalize_name(project), {})
    return numbered(release, builds.get(release, 0))


def numbered(release: str, build: int) -> Version:
    """A release's version with a number of 0 to 99, as in 2.14.1.post1 or 2.22.0.dev2026051801."""
    if Version(release).is_devrelease:
        return Version(f"{release}{build:02}")
    return Version(f"{release}.post{build}" if build else release)


def release_of(version: Version) -> str:
    """The upstream release of a wheel's version: that without its number and local label."""
    candidate = "".join(map(str, version.pre or ()))
    development = "" if version.dev is None else f".dev{version.dev // 100}"
    return f"{version.base_version}{candidate}{development}"
