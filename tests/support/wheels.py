"""Make small valid wheels and the records that verification would write."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelhouse.publish import site, wheel_file
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.publish.publisher import Publisher
from wheelhouse.publish.wheel_file import WheelFile
from wheelhouse.record import Demand
from wheelhouse.verify.expected import expected

TAG = "py3-none-any"


def wheel(
    folder: Path,
    project: str = "tflite_runtime",
    version: str = "2.14.1",
    tag: str = TAG,
    *,
    requires: tuple[str, ...] = (),
    python: str = ">=3.7",
    replaced: Mapping[str, str | bytes | None] | None = None,
    recorded: Mapping[str, Any] | None = None,
) -> Path:
    """Make a wheel with a module named like the project, and its record beside it.

    ``replaced`` replaces files in the wheel, or removes them if None; ``recorded`` replaces keys of
    the record.
    """
    info = f"{project}-{version}.dist-info"
    license_file = "sample/LICENSE"
    metadata = [
        "Metadata-Version: 2.4",
        f"Name: {project.replace('_', '-')}",
        f"Version: {version}",
        "License-Expression: MIT AND (Apache-2.0 WITH LLVM-exception)",
        f"License-File: {license_file}",
        f"Requires-Python: {python}",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
    ]
    interpreters, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {i}-{a}-{p}" for i in interpreters for a in abis for p in platforms]
    contents: dict[str, str | bytes | None] = {
        f"{project}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": "\n".join([*metadata, "", "Text.\n"]),
        f"{info}/WHEEL": "\n".join(
            ["Wheel-Version: 1.0", "Generator: test", "Root-Is-Purelib: true", *tags, ""]
        ),
        f"{info}/licenses/{license_file}": "Do as you like.\n",
        **(replaced or {}),
    }
    kept = {
        name: content.encode() if isinstance(content, str) else content
        for name, content in contents.items()
        if content is not None
    }
    rows = [f"{name},sha256={_hash(content)},{len(content)}" for name, content in kept.items()]
    if f"{info}/RECORD" not in contents:
        kept[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{project}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    record(path, recorded)
    return path


def record(path: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Write the record of a wheel that passed on one system."""
    content = {
        "wheel": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "date": "2026-11-20T10:00:00+00:00",
        "reference": "ai-edge-litert 2.3.0",
        "trials": [trial()],
        **(changes or {}),
    }
    beside = path.with_name(f"{path.name}.verified.json")
    beside.write_text(json.dumps(content))
    return beside


def whole(path: Path, engine: str = "host", changes: Mapping[str, Any] | None = None) -> Path:
    """Write the record of a wheel that passed all checks of this checkout's verifier."""
    wanted = expected(path, engine)
    trials = [
        {
            "system": place.system,
            "board": place.board,
            "numpy": f"1.0 ({place.numpy})",
            "checks": [{"name": name, "passed": True, "seen": "None"} for name in names],
        }
        for place, names in wanted.checks.items()
    ]
    told = {"trials": trials, "engine": engine, "verifier": wanted.verifier}
    return record(path, {**told, **(changes or {})})


def accepted(path: Path) -> WheelFile:
    """A wheel as an index reads it, whatever was tried."""
    return wheel_file.read(path, Demand.ITS_RELEASE, expected)


def make_site(
    folders: Sequence[Path],
    settings: IndexSettings,
    place: Place,
    to: Path,
    publisher: Publisher | None = None,
) -> None:
    """Make a site of wheels, whatever was tried."""
    site.make(folders, settings, place, to, Demand.ITS_RELEASE, expected, publisher)


def trial(
    system: str = "Raspberry Pi OS 12",
    board: str = "Raspberry Pi 5",
    numpy: str = "2.4.6 (newest)",
    *,
    checks: int = 1,
    passed: bool = True,
) -> dict[str, Any]:
    """A trial with ``checks`` equal checks."""
    check = {"name": "import", "passed": passed, "seen": "None"}
    return {"system": system, "board": board, "numpy": numpy, "checks": [check] * checks}


def _hash(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
