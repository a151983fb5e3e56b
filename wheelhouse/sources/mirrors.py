"""The mirrors to use: those in apt's and npm's configuration, or those that the user names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from wheelhouse.common import process
from wheelhouse.common.errors import Kind, WheelhouseError

VARIABLE = "WHEELHOUSE_DEBIAN_MIRROR"
NPM_VARIABLE = "WHEELHOUSE_NPM_REGISTRY"

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""The keys that sign Debian's archive, from the package debian-archive-keyring."""


def debian_mirrors() -> tuple[str, ...]:
    """The addresses of Debian's main archive, best first, each without a final slash.

    They are those in the environment variable ``WHEELHOUSE_DEBIAN_MIRROR`` (separated by spaces)
    or else those in apt's configuration. Raises WheelhouseError if there are none or if apt's
    configuration is not valid.
    """
    named = os.environ.get(VARIABLE, "").split()
    # Before the first `apt-get update` apt knows the archives' addresses, but not their labels.
    found = _unique(named or parse(_apt()) or parse_unlabelled(_apt("--no-release-info")))
    if not found:
        raise WheelhouseError(
            "apt knows no Debian archive on this machine.",
            f"Run `apt-get update`, or name an archive in {VARIABLE}.",
            Kind.MACHINE,
            "debian-mirror",
        )
    return found


def npm_registry() -> str:
    """The address of npm's registry, without a final slash.

    It is that in the environment variable ``WHEELHOUSE_NPM_REGISTRY`` or else that in npm's
    configuration. Raises WheelhouseError if there is no npm that knows one.
    """
    if named := os.environ.get(NPM_VARIABLE, "").strip():
        return named.rstrip("/")
    try:
        done = process.run(["npm", "config", "get", "registry"])
        found = done.stdout.strip() if not done.status else ""
    except WheelhouseError:  # no npm here
        found = ""
    if not found.startswith("http"):
        raise WheelhouseError(
            "No npm on this machine knows a registry.",
            f"Install npm, or name a registry in {NPM_VARIABLE}.",
            Kind.MACHINE,
            "npm-registry",
        )
    return found.rstrip("/")


def parse(targets: str) -> tuple[str, ...]:
    """Debian's main archives in lines of ``address<TAB>release<TAB>label<TAB>origin``."""
    rows = (line.split("\t") for line in targets.splitlines())
    return _unique(row[0] for row in rows if row[2:] == ["Debian", "Debian"])


def parse_unlabelled(targets: str) -> tuple[str, ...]:
    """The addresses of all archives in such lines, but for security updates: they lack packages."""
    rows = (line.split("\t") for line in targets.splitlines())
    return _unique(row[0] for row in rows if row[1:] and "security" not in row[1])


def _apt(*options: str) -> str:
    form = "$(REPO_URI)\t$(RELEASE)\t$(LABEL)\t$(ORIGIN)"
    try:
        done = process.run(["apt-get", "indextargets", *options, "--format", form])
    except WheelhouseError:  # no apt here
        return ""
    if done.status and (reason := process.first_error(done.stderr.splitlines())):
        raise WheelhouseError(
            f"apt cannot list its archives: {reason}",
            f"Correct apt's configuration, or name an archive in {VARIABLE}.",
            Kind.MACHINE,
        )
    return done.stdout


def _unique(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.rstrip("/") for address in addresses))
