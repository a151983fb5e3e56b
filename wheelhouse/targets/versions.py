"""The versions of wheels: the upstream release's version and a build number.

The build number counts how often a published wheel changed while upstream did not. A final release
with the number 0 keeps its version; a higher number becomes ``.postN``. A development release
always gets two more digits, because without them a later day's first wheel would sort before an
earlier day's second.
"""

from __future__ import annotations

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse.targets import matrix


def wheel_version(project: str, release: str) -> Version:
    """The version of a project's wheels of an upstream release; the number is in matrix.toml."""
    builds = matrix.matrix().builds.get(canonicalize_name(project), {})
    return numbered_version(release, builds.get(release, 0))


def numbered_version(release: str, build: int) -> Version:
    """A release with a build number of 0 to 99, as in 2.14.1.post1 or 2.22.0.dev2026051801."""
    if Version(release).is_devrelease:
        return Version(f"{release}{build:02}")
    return Version(f"{release}.post{build}" if build else release)


def upstream_release(version: Version) -> str:
    """The upstream release in a wheel's version: without the build number and the local label."""
    candidate = "".join(map(str, version.pre or ()))
    development = "" if version.dev is None else f".dev{version.dev // 100}"
    return f"{version.base_version}{candidate}{development}"
