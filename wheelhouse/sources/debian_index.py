"""The packages and sources in suites of a Debian archive, from lists that apt checks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path

from debian.deb822 import Packages, Release, Sources
from debian.debian_support import Version

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.sources.mirrors import VARIABLE

_NAME = re.compile(r"([^_]+)_([^_]+?)(_[^_]+\.deb|\.orig\.tar\.\w+)")
_SUITE = re.compile(r"_dists_(.+)_(?:InRelease|main_.+)")
_REPACKED = re.compile(r"[+~.-](dfsg|ds|repack)[.\d]*$")
_OPTIONS = {
    "Dir::Etc::SourceParts": "/dev/null",
    "Acquire::Check-Valid-Until": "false",  # mirrors of sid may lag by weeks
    "Acquire::GzipIndexes": "false",
    "Acquire::Languages": "none",
    "APT::Sandbox::User": "root",
    "APT::Update::Error-Mode": "any",
}


@dataclass(frozen=True)
class PoolFile:
    """A binary package or an upstream source archive in Debian's pool.

    ``path`` begins with ``pool/``; ``sha256``, in hex, is empty and ``size``, in bytes, 0 if they
    are not known. ``suite`` is the first that lists it, ``signed`` the day of its signature.
    """

    path: str
    sha256: str = ""
    size: int = 0
    suite: str = field(default="", compare=False)
    signed: date | None = field(default=None, compare=False)

    @property
    def package(self) -> str:
        """The name of the binary or source package, as in ``libpython3.11-dev``."""
        return self._parts[0]

    @property
    def kind(self) -> str:
        """``.orig.tar``, or the end of a binary package's file name, as in ``_arm64.deb``."""
        end = self._parts[2]
        return end if end.endswith(".deb") else ".orig.tar"

    @property
    def architecture(self) -> str:
        """Debian's name of a binary package's architecture, as in ``arm64``; "" for an archive."""
        return self.kind.removeprefix("_").removesuffix(".deb") if self.kind[0] == "_" else ""

    @property
    def version(self) -> Version:
        """The version in the file's name: no epoch, and no Debian revision if it is an archive."""
        return Version(self._parts[1])

    @property
    def upstream(self) -> str:
        """The upstream version, without the mark of an archive that Debian repacked (``+dfsg``)."""
        whole = self._parts[1]
        end = self._parts[2].endswith(".deb") and "-" in whole
        return _REPACKED.sub("", whole.rpartition("-")[0] if end else whole)

    @property
    def _parts(self) -> tuple[str, str, str]:
        found = _NAME.fullmatch(self.path.rpartition("/")[2])
        return (found[1], found[2], found[3]) if found else (self.path, "0", "")


def fetch(
    mirror: str,
    suites: Sequence[str],
    architectures: Sequence[str],
    keyring: Path,
    folder: Path,
    log: Path,
) -> Path:
    """Fetch the lists of the suites' packages and sources; returns the folder that has them.

    ``architectures`` are those of the packages, maybe none. ``folder`` is an empty folder to work
    in. apt uses this machine's configuration, checks the signatures against ``keyring`` and writes
    its output to ``log``. Raises WheelhouseError if a list cannot be fetched.
    """
    (folder / "lists/partial").mkdir(parents=True)
    sources = folder / "sources.list"
    deb = f"deb [arch={','.join(architectures)} target=Packages signed-by={keyring}] {mirror}"
    src = f"deb-src [target=Sources signed-by={keyring}] {mirror}"
    kinds = [deb, src] if architectures else [src]
    sources.write_text("".join(f"{each} {suite} main\n" for suite in suites for each in kinds))
    paths = {
        "Dir::Etc::SourceList": sources,
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
    }
    options = [w for key, value in {**_OPTIONS, **paths}.items() for w in ("-o", f"{key}={value}")]
    # Each suite has InRelease, a list of sources, and one of packages for each architecture.
    done, total = 0, (2 + len(architectures)) * len(suites)
    with console.steps(f"Package lists of {mirror}") as bar:

        def line(text: str) -> None:
            nonlocal done
            done += text.startswith(("Get:", "Hit:"))
            bar.update(min(done, total), total)

        status = process.stream(["apt-get", *options, "update"], cwd=folder, log=log, line=line)
    if status:
        reason = process.failure_reason(status, log.read_text(encoding="utf-8").splitlines())
        raise WheelhouseError(
            f"The package lists of {mirror} could not be read: {reason}",
            f"Check the mirror, or name another one in {VARIABLE}. The whole log is {log}.",
            Kind.FETCH,
        )
    return folder / "lists"


def read(lists: Path, packages: Collection[str]) -> list[PoolFile]:
    """The pool files of the named binary and source packages, from a folder of package lists."""
    found = []
    days = {_suite(path): _day(path) for path in lists.glob("*_InRelease")}
    for path in sorted(lists.glob("*_Packages")):
        suite = _suite(path)
        for text in _entries(path, packages):
            binary = Packages(text)
            content = (binary["SHA256"], int(binary["Size"]))
            found.append(PoolFile(binary["Filename"], *content, suite, days[suite]))
    for path in sorted(lists.glob("*_Sources")):
        suite = _suite(path)
        for text in _entries(path, packages):
            source = Sources(text)
            for each in source["Checksums-Sha256"]:
                path_there = f"{source['Directory']}/{each['name']}"
                content = (each["sha256"], int(each["size"]))
                found.append(PoolFile(path_there, *content, suite, days[suite]))
    return list(dict.fromkeys(found))


def _suite(path: Path) -> str:
    """The suite of a list, from the name that apt gave it."""
    found = _SUITE.search(path.name)
    return found[1] if found else path.name


def _day(path: Path) -> date:
    """The day on which a suite was signed."""
    return parsedate_to_datetime(Release(path.read_text(encoding="utf-8"))["Date"]).date()


def _entries(path: Path, packages: Collection[str]) -> Iterator[str]:
    """The entries of these packages; python-debian would take half a minute for all 60,000."""
    for text in path.read_text(encoding="utf-8").split("\n\n"):
        if text.partition("\n")[0].removeprefix("Package: ") in packages:
            yield text
