"""Which TFLite to build: a release of sources.toml, or a checkout that the user has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.sources import pins
from wheelhouse.targets import matrix
from wheelhouse.targets.versions import of_wheel


@dataclass(frozen=True)
class Release:
    """A release by its whole version, and the folder to take its sources from instead."""

    version: str
    checkout: Path | None = None


def known() -> list[str]:
    """The versions in sources.toml, the default first."""
    default = matrix.matrix().tflite
    return [default, *(version for version in pins.catalogue().tflite if version != default)]


def every() -> list[Release]:
    """All releases of sources.toml."""
    return [Release(version) for version in known()]


def choose(word: str = "", checkout: str = "") -> Release:
    """The release whose version is ``word``, or begins with it; the default if both are empty.

    The version of the wheels that are built of it here names it too, as in 2.14.1.post1. With
    ``checkout`` it is that folder's. Raises WheelhouseError naming the nearest releases, or if
    there are no patches for the folder's version.
    """
    if checkout:
        return _of_checkout(Path(checkout), word)
    if not word:
        return Release(known()[0])
    found = [
        version
        for version in known()
        if f"{version}.".startswith(f"{word}.") or word == str(of_wheel("tflite-runtime", version))
    ]
    if len(found) != 1:
        near = " or ".join(found or matrix.nearest(word, sorted(known(), key=Version)))
        raise WheelhouseError(
            f"{word} is not one TFLite release; did you mean {near}?",
            "Give --tflite one of these, or --tflite-source a checkout of TensorFlow.",
            Kind.USAGE,
        )
    return Release(found[0])


def _of_checkout(folder: Path, word: str) -> Release:
    version = _version(folder)
    fit = [each for each in known() if Version(each).base_version == version.base_version]
    if not fit:
        raise WheelhouseError(
            f"{folder} is TFLite {version}, for which there are no patches here.",
            f"Check out {' or '.join(known())}; or add a table for {version} to sources.toml and "
            "its patches, as CONTRIBUTING.md says.",
            Kind.USAGE,
        )
    if word and choose(word).version not in fit:
        raise WheelhouseError(
            f"{folder} is TFLite {version}, not {word}.",
            "Leave out --tflite, or check that out.",
            Kind.USAGE,
        )
    return Release(fit[0], folder.absolute())


def _version(folder: Path) -> Version:
    """What TensorFlow's own files say of their version, however old they are."""
    texts = [
        path.read_text(encoding="utf-8")
        for name in ("tf_version.bzl", "core/public/version.h")
        if (path := folder / "tensorflow" / name).is_file()
    ]
    for text in texts:
        if found := re.search(r'^TF_VERSION = "([^"]+)"', text, re.MULTILINE):
            return Version(found[1])
        numbers = re.findall(r"^#define TF_(?:MAJOR|MINOR|PATCH)_VERSION (\d+)", text, re.MULTILINE)
        if len(numbers) == 3:
            return Version(".".join(numbers))
    raise WheelhouseError(
        f"{folder} is not a checkout of TensorFlow.",
        "Name the folder that `git clone` of TensorFlow made.",
        Kind.USAGE,
    )
