"""What pip makes of wheels that this project writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wheelhouse.compile.extension import MODULE
from wheelhouse.package import wheel
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.targets import matrix
from wheelhouse.targets.matrix import Target

UNIVERSAL, TARGET = matrix.choose("3.7,3.11")
PLATFORMS = ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
CONTENT = bytes(range(256)) * 9


def written(target: Target, xnnpack: bool, folder: Path) -> Path:
    made = RuntimeWheel(target, "2.14.1", xnnpack)
    metadata = wheel.metadata_text(
        made.metadata, [part.pin.license for part in made.linked], ["eigen/COPYING.MPL2"]
    )
    files = {
        "tflite_runtime/__init__.py": b"",
        f"tflite_runtime/{MODULE}.so": CONTENT,
        f"tflite_runtime-{made.version}.dist-info/METADATA": metadata.encode(),
    }
    return wheel.write(made.metadata, made.tag, files, PLATFORMS, folder)


def install(path: Path, platform: str, python: str, *words: str | Path) -> int:
    """Let pip install a wheel for a machine as described; returns pip's exit status."""
    machine = ["--platform", platform, "--python-version", python, "--implementation", "cp"]
    options = ["--only-binary=:all:", "--no-index", "--no-deps", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "-q", *machine, *options, *words, path]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize("xnnpack", [True, False], ids=["xnnpack", "noxnnpack"])
def test_pip_installs_it_for_the_target(xnnpack: bool, tmp_path: Path) -> None:
    path = written(TARGET, xnnpack, tmp_path)
    folder = tmp_path / "installed"
    assert install(path, PLATFORMS[0], "3.11", "--target", folder) == 0
    module = folder / "tflite_runtime" / f"{MODULE}.so"
    assert module.read_bytes() == CONTENT
    assert module.stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("python", "installs"), [("3.6", False), ("3.7", True), ("3.12", True), ("3.16", True)]
)
def test_pip_installs_the_universal_wheel_for_any_cpython(
    python: str, installs: bool, tmp_path: Path
) -> None:
    path = written(UNIVERSAL, True, tmp_path)
    assert path.name.startswith("tflite_runtime-2.14.1-cp37-abi3-manylinux_2_17_aarch64.")
    status = install(path, PLATFORMS[1], python, "--dry-run", "--target", tmp_path / "installed")
    assert (status == 0) == installs
