"""What of a function's code counts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from wheelhouse.common import recipe

CODE = '''
from pathlib import Path
import numpy

FLAGS = ("-O3", "-g0")
PAIR, OTHER = 1, 2

class Tool:
    """What runs."""
    name: str = "cc"

    def words(self):
        return (self.name, *FLAGS)

def helper(path: Path) -> str:
    """The words."""
    return " ".join(Tool().words())  # all of them

def unused():
    return 1

def again(count):
    return again(count - 1) if count else helper(count)

def make(inputs, folder):
    """Make it."""
    unused = folder / again(2)
    numpy.savez(unused, PAIR)
'''

Digest = Callable[[str], str]
NUMBERS = count()
"""For names: what was told of a module is remembered."""


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digest]:
    """The digest of ``make`` in a module of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def tell(code: str) -> str:
        names.append(f"cooked_{next(NUMBERS)}")
        (tmp_path / f"{names[-1]}.py").write_text(code)
        importlib.invalidate_caches()
        return recipe.digest_of(importlib.import_module(names[-1]).make)

    yield tell
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"-g0"', '"-g1"'),
        ('name: str = "cc"', 'name: str = "c++"'),
        ("self.name, *FLAGS", "*FLAGS, self.name"),
        ('" ".join', '"".join'),
        ("count - 1", "count - 2"),
        ("again(2)", "again(3)"),
        ("PAIR)", "OTHER)"),
        ("numpy.savez", "numpy.savez_compressed"),
        ("folder / again", "inputs / again"),
        ("def words(self)", "def more(self)"),
    ],
)
def test_whatever_the_function_does_counts(digest: Digest, old: str, new: str) -> None:
    assert old in CODE
    assert digest(CODE) != digest(CODE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# all of them", ""),
        ('"""The words."""', '"""Words."""'),
        ('    """Make it."""\n', ""),
        ("(path: Path) -> str", "(path)"),
        ("name: str", "name: object"),
        ("FLAGS", "OPTIONS"),
        ("helper", "assistant"),
        ("Tool", "Instrument"),
        ("count", "number"),
        (
            "unused = folder / again(2)\n    numpy.savez(unused",
            "it = folder / again(2)\n    numpy.savez(it",
        ),
        ("def unused():\n    return 1", "def unused():\n    return 2"),
        ("import numpy", "\n\nimport numpy"),
    ],
)
def test_nothing_else_does(digest: Digest, old: str, new: str) -> None:
    assert old in CODE
    assert digest(CODE) == digest(CODE.replace(old, new))


def test_the_version_of_another_project_counts(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(CODE)
    monkeypatch.setattr(recipe, "version", lambda name: "0")
    assert digest(CODE) != before


def test_a_path_in_the_checkout_counts_by_its_content(
    digest: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "ROOT", tmp_path)
    file, folder = tmp_path / "file", tmp_path / "folder"
    folder.mkdir()
    file.write_text("1")
    code = f"{CODE}    FILE, FOLDER\nFILE, FOLDER = Path({str(file)!r}), Path({str(folder)!r})\n"
    found = [digest(code)]
    file.write_text("2")
    found.append(digest(code))
    (folder / "more").write_text("")
    found.append(digest(code))
    assert len({*found}) == 3


@pytest.mark.parametrize("name", ["__file__", "ROOT"])
def test_what_cannot_be_followed_is_refused(
    digest: Digest, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "ROOT", tmp_path)
    with pytest.raises(TypeError, match="constant"):
        digest(f"{CODE}    {name}\nROOT = Path({str(tmp_path)!r})\n")


def test_a_function_that_may_use_values_of_another_is_refused() -> None:
    value = 1

    def closed(inputs: object, folder: Path) -> int:
        return value

    for function in (closed, lambda inputs, folder: value, Path.mkdir):
        with pytest.raises(TypeError, match="is not a function at the top level of a module"):
            recipe.digest_of(function)
