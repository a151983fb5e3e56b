"""Results of tests, and what they depend on: a test that passed need not run again.

They lie in ``results/`` of the store, in a folder for each test file and digest of all that can
change its results. Each run of the tests writes a file of its own there.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from uuid import uuid4

import msgspec

from wheelhouse.common.files import write_whole
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import plan
from wheelhouse.common.store import Entry, Store, digest, file_digest, tree_digest
from wheelhouse.compile import cxx
from wheelhouse.machines import debian_packages
from wheelhouse.package import products

KIND = "results"
"""The folder of the store."""

CODE = (
    *(".ci", ".dockerignore", ".editorconfig", ".github", ".gitignore", ".pre-commit-config.yaml"),
    "LICENSE",
    *("apps", "dockerfiles", "index.toml", "inv", "native", "patches", "pyproject.toml"),
    *("requirements.in", "requirements.lock", "tasks.py", "tests", "wheelhouse"),
)
"""What each result depends on; of ``tests`` all but the test files."""

DOCUMENTS = (
    *("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"),
    *("changes", "docs", "figures", "wheels"),
)
"""What a result depends on only if the test is a unit test, or its file names it."""


def digests(root: Path = ROOT) -> dict[str, str]:
    """For each test file, as in tests/unit/test_x.py, the digest of all that its results need.

    ``root`` is the checkout's folder.
    """
    code = [(name, _content(root / name)) for name in CODE if (root / name).exists()]
    common = digest(_surroundings(), _keys(), code)
    files = sorted((root / "tests").rglob("test_*.py"))
    others = [*files, *(path for name in DOCUMENTS for path in _files(root / name))]
    rows = {each: (each.relative_to(root).as_posix(), file_digest(each)) for each in others}
    return {
        rows[path][0]: digest(common, [rows[each] for each in _needed(path, others)])
        for path in files
    }


@cache
def _keys() -> list[str]:
    """The keys of all steps of all wheels that are the same on each machine."""
    steps = plan(*(each.step for each in products.every()))
    return sorted(step.key for step in steps if step.kind != cxx.KIND)


def _content(path: Path) -> str:
    return tree_digest(path, _is_common) if path.is_dir() else file_digest(path)


def _is_common(name: str) -> bool:
    path = PurePosixPath(name)
    return "__pycache__" not in path.parts and not path.match("test_*.py")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted([*path.rglob("*.md"), *path.rglob("*.png"), *path.glob("boards/*.json")])
    return [path] * path.is_file()


def _needed(test: Path, others: Sequence[Path]) -> Sequence[Path]:
    """The files that can change a test file's results: itself, and those that it names.

    A unit test may read them all: some compare what documents or other tests say.
    """
    if test.parent.name == "unit":
        return others
    text = test.read_text(encoding="utf-8")
    return [each for each in others if each == test or _names(text, each)]


def _names(text: str, other: Path) -> bool:
    """Whether the text of a test names another file, or the folder of a document."""
    if other.suffix == ".py":
        return other.stem in text
    folders = (each.name for each in other.parents if each.name)
    return other.name in text or any(f'"{name}"' in text for name in folders)


def _surroundings() -> list[object]:
    """What else of this machine can change a result."""
    settings = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("DOCKER_", "PYTEST_ADDOPTS", "WHEELHOUSE_"))
        and name != "WHEELHOUSE_CACHE"
    }
    return [sys.version, os.geteuid() == 0, _programs(), settings]


@cache
def _programs() -> list[str]:
    """The digests of the emulator's programs, as far as they are there."""
    paths = (shutil.which(name) for name in debian_packages.emulation())
    return [file_digest(Path(path)) for path in paths if path]


def label(file: str) -> str:
    """The name of a test file for notes: ``unit-test_x`` for tests/unit/test_x.py."""
    return "-".join(PurePosixPath(file).with_suffix("").parts[1:])


def file_of(test: str) -> str:
    """The file of a test, by the test's pytest id."""
    return test.partition("::")[0]


@dataclass(frozen=True)
class Results:
    """The results in a store that count for ``digests``."""

    store: Store
    digests: Mapping[str, str]

    def folder(self, file: str) -> Path:
        """Where the results of a test file lie."""
        return self.store.path(Entry(KIND, label(file), self.digests[file]))

    def passed(self) -> dict[str, float]:
        """The tests that passed, by pytest id, and how many seconds each took."""
        found: dict[str, float] = {}
        for file in self.digests:
            for path in sorted(self.folder(file).glob("*.json")):
                with suppress(OSError, msgspec.DecodeError):
                    found |= msgspec.json.decode(path.read_bytes(), type=dict[str, float])
        return found


@dataclass(frozen=True)
class Writer:
    """Adds what passes to the folders of test files; each :class:`Writer` has its own file."""

    folders: Mapping[str, str]
    _name: str = field(default_factory=lambda: uuid4().hex)
    _passed: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, test: str, seconds: float) -> None:
        """Write that a test passed; raises OSError if that fails."""
        file = file_of(test)
        passed = self._passed.setdefault(file, {})
        passed[test] = seconds
        path = Path(self.folders[file], f"{self._name}.json")
        write_whole(path, msgspec.json.encode(passed))


def needed(root: Path = ROOT) -> Iterable[str]:
    """The keys of the results that count for a checkout."""
    found = digests(root)
    return [*found.values(), split_key(found)]


def split_key(found: Mapping[str, str]) -> str:
    """The key of how the tests with these digests are split."""
    return digest(sorted(found.items()))
