"""CONTRIBUTING lists each room of the package with the sentence of its own docstring."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support import REPO

ROOM = re.compile(r"^- `(wheelhouse/\w+)`: (.+(?:\n  .+)*)$", re.MULTILINE)


def sentence(package: Path) -> str | None:
    return ast.get_docstring(ast.parse((package / "__init__.py").read_text()))


def test_the_list_of_rooms_is_what_their_docstrings_say() -> None:
    text = (REPO / "CONTRIBUTING.md").read_text()
    _, _, rest = text.partition("\n## Where things are\n")
    section, _, _ = rest.partition("\n## ")
    listed = {name: " ".join(words.split()) for name, words in ROOM.findall(section)}
    packages = [path.parent for path in (REPO / "wheelhouse").glob("*/__init__.py")]
    assert packages
    assert listed == {f"wheelhouse/{path.name}": sentence(path) for path in packages}
