"""Choose the TFLite release to build: one in sources.toml, or the user's own checkout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.sources import pins
from wheelhouse.targets import matrix
from wheelhouse.targets.versions import wheel_version


@dataclass(frozen=True)
class TfliteRelease:
    """A TFLite release by its full version, as in ``2.14.1``.

    Its sources are the pinned ones, or those in the folder ``checkout`` if it is given.
    """

    version: str
    checkout: Path | None = None


def known_versions() -> list[str]:
    """The versions of all releases in sources.toml, the default first."""
    default = matrix.matrix().tflite
    return [default, *(version for version in pins.pins().tflite if version != default)]


def all_releases() -> list[TfliteRelease]:
    """All releases in sources.toml, the default first."""
    return [TfliteRelease(version) for version in known_versions()]


def choose(word: str = "", checkout: str = "") -> TfliteRelease:
    """The release that ``word`` names; the default release if both are empty.

    ``word`` is a version or an unambiguous prefix of one, as in 2.22, or the version of the wheels
    that this checkout builds from the release, as in 2.14.1.post1. ``checkout`` is a folder with
    TensorFlow's sources; the release is then the one whose patches fit that folder's version.

    Raises WheelhouseError if ``word`` names no release or several, if the folder is no checkout of
    TensorFlow, if its version has no patches here, or if it is not the release of ``word``.
    """
    if checkout:
        return _release_of_checkout(Path(checkout), word)
    if not word:
        return TfliteRelease(known_versions()[0])
    found = [
        version
        for version in known_versions()
        if f"{version}.".startswith(f"{word}.")
        or word == str(wheel_version("tflite-runtime", version))
    ]
    if len(found) != 1:
        near = " or ".join(found or matrix.nearest(word, sorted(known_versions(), key=Version)))
        raise WheelhouseError(
            f"{word} names no single TFLite release; did you mean {near}?",
            "Give --tflite one of these, or --tflite-source a checkout of TensorFlow.",
            Kind.USAGE,
        )
    return TfliteRelease(found[0])


def _release_of_checkout(folder: Path, word: str) -> TfliteRelease:
    version = _version(folder)
    fitting = [
        each for each in known_versions() if Version(each).base_version == version.base_version
    ]
    if not fitting:
        raise WheelhouseError(
            f"{folder} is TFLite {version}, for which there are no patches here.",
            f"Check out {' or '.join(known_versions())}; or add a table for {version} "
            "to sources.toml and its patches, as CONTRIBUTING.md says.",
            Kind.USAGE,
            "tensorflow-checkout",
        )
    if word and choose(word).version not in fitting:
        raise WheelhouseError(
            f"{folder} is TFLite {version}, not {word}.",
            "Leave out --tflite, or check out that release.",
            Kind.USAGE,
        )
    return TfliteRelease(fitting[0], folder.absolute())


def _version(folder: Path) -> Version:
    """The version in TensorFlow's own files: newer ones are tried first."""
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
        "tensorflow-checkout",
    )
