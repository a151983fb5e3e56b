"""Who supplies the pinned components and what others call them, from origins.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from msgspec import Meta
from packageurl import PackageURL

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.common.toml import Table, load

FILE = ROOT / "wheelhouse" / "sources" / "origins.toml"

Text = Annotated[str, Meta(min_length=1)]


class Origin(Table, frozen=True):
    """The table of a component in ``origins.toml``."""

    supplier: Text
    """Who supplies it."""
    purl: Annotated[str, Meta(pattern=r"^pkg:.*\{(version|ref)\}")]
    """Its package URL, with ``{version}``, or with ``{ref}`` if there are ``refs``."""
    refs: Mapping[str, Text] = {}
    """For each pinned version the tag or the commit in its repository."""
    cpe: Annotated[str, Meta(pattern=r"^(cpe:2\.3:a:[^:]+:[^:]+:\{version\}(:\*){7})?$")] = ""
    """Its name in the national vulnerability database, with ``{version}``, or empty."""
    pypi: str = ""
    """The project of the Python package index whose known vulnerabilities are its own, or empty."""
    use: Literal["part", "headers", "pictures"] = "part"
    """``part`` if wheels contain it; ``headers`` if code is only compiled against it, ``pictures``
    if models are only calibrated with it."""

    def __post_init__(self) -> None:
        if ("{ref}" in self.purl) != bool(self.refs):
            raise ValueError("purl must have {ref} if there are refs, else {version}")
        PackageURL.from_string(self.purl.format(version="1", ref="1"))

    def package_url(self, version: str) -> PackageURL:
        """The package URL of a version; raises KeyError if ``refs`` lacks it."""
        ref = self.refs[version] if self.refs else ""
        return PackageURL.from_string(self.purl.format(version=version, ref=ref))


class CompilerPart(Table, frozen=True, kw_only=True):
    """The compiler, or a library of its own that it links into what it compiles."""

    version: Text
    """Its version."""
    supplier: Text
    """Who supplies it."""
    purl: Annotated[str, Meta(pattern=r"^pkg:.*\{version\}")]
    """Its package URL, with ``{version}``."""
    license: Text
    """The SPDX licence expression."""

    @property
    def package_url(self) -> PackageURL:
        """The package URL of its version."""
        return PackageURL.from_string(self.purl.format(version=self.version))


class Compiler(CompilerPart, frozen=True, kw_only=True):
    """The compiler that ``requirements.lock`` pins."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    """The SHA-256, in hex, of its archive for x86-64, which has the libraries too."""


class Origins(Table, frozen=True):
    """The whole of ``origins.toml``."""

    components: Mapping[str, Origin]
    """For a component's name, or what that begins with before a hyphen, who supplies it."""
    compiler: Compiler
    """The compiler."""
    runtimes: Mapping[str, CompilerPart]
    """The libraries that the compiler links into every shared library, by name."""


@cache
def origins() -> Origins:
    """The origins of this checkout; raises WheelhouseError naming the key that is wrong."""
    return load(FILE, Origins)


def origin(component: str, version: str) -> Origin:
    """The origin of a component of that name; raises WheelhouseError if the table lacks it."""
    table = origins().components
    fitting = [name for name in table if f"{component}-".startswith(f"{name}-")]
    found = table[max(fitting, key=len)] if fitting else None
    if found is None or (found.refs and version not in found.refs):
        missing = "refs" if found else "table"
        raise WheelhouseError(
            f"{FILE.name} has no {missing} for {component} {version}, which a wheel is made of.",
            f"Add it to {FILE}, where the first lines say how.",
            Kind.USAGE,
        )
    return found
