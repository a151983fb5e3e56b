"""Make checkouts of TensorFlow."""

from __future__ import annotations

from pathlib import Path

from wheelhouse.sources import archives, pins
from wheelhouse.sources.fetch import Fetcher


def newest(fetcher: Fetcher, release: str, folder: Path) -> Path:
    """A checkout at the commit that sources.toml pins for a release of TFLite 2.22."""
    components = pins.release_components(release)
    for name in ("tensorflow", "wrapper"):
        archives.unpack(fetcher.file(components[name]), folder, strip=0, keep=())
    (folder / "tensorflow/tf_version.bzl").write_text('TF_VERSION = "2.22.0"\n')
    return folder
