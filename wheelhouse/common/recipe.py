"""The digest of a function's code and of all code that it uses; a step's key includes its recipe's.

The digest covers the syntax tree of the recipe and of each function, class and constant of this
project that it names, directly or indirectly. It covers no comments, docstrings, annotations, names
of modules or names of definitions: code can be moved and renamed without a new key. For a constant
that is a path in this checkout it covers the file's or folder's content, for another project's
module that is imported on every Python that project's version.

Code that only reports, waits or starts programs is left out: see :data:`NEUTRAL`.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from wheelhouse.common.root import ROOT
from wheelhouse.common.store import digest, file_digest, tree_digest

NEUTRAL = frozenset(
    f"wheelhouse.{name}"
    for name in (
        "common.console",
        "common.errors",
        "common.jobs",
        "common.plain",
        "common.process",
        "common.recipe",
        "common.step",
        "common.store",
        "common.surroundings",
        "compile.ninja",
        "compile.sccache",
        "compile.shared_cache",
        "machines.debian_packages",
        "machines.docker",
        "machines.images",
        "sources.download",
        "sources.mirrors",
    )
)
"""The modules whose code does not decide the content of any output."""

PROJECTS = {
    "PIL": "pillow",
    "backports": "backports.tarfile",
    "debian": "python-debian",
    "elftools": "pyelftools",
}
"""The projects of modules with other names. Python's own table of them differs by its version."""

_PROJECT = "wheelhouse"
_Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def digest_of(recipe: Callable[..., object]) -> str:
    """The SHA-256, in hex, of the code of a module's function and of all code that it uses.

    Raises TypeError for a nested function, a method or a lambda, because these may use values that
    the digest does not cover, and for code that names ``__file__``.
    """
    reached = _reached(recipe)
    return digest(list(reached.texts.values()), sorted(reached.versions))


def code_digest_of(recipe: Callable[..., object]) -> str:
    """As :func:`digest_of`, without other projects' versions, which differ with Python's."""
    return digest(list(_reached(recipe).texts.values()))


def _reached(recipe: Callable[..., object]) -> _Reached:
    if "." in recipe.__qualname__ or recipe.__name__ == "<lambda>":
        raise TypeError(f"{recipe.__qualname__} is not a function at the top level of a module")
    return _all_of(recipe.__module__, recipe.__name__)


@cache
def _all_of(module: str, name: str) -> _Reached:
    reached = _Reached()
    reached.enter(_Module.named(module), name)
    return reached


@dataclass(frozen=True)
class _Module:
    """The syntax tree of a module of this project."""

    name: str
    tree: ast.Module

    @classmethod
    @cache
    def named(cls, name: str) -> _Module:
        return cls(name, ast.parse(inspect.getsource(import_module(name))))

    @cached_property
    def definitions(self) -> dict[str, _Definition]:
        """The functions, classes and constants at its top level, by name."""
        return dict(pair for node in self.tree.body for pair in _defined(node))

    @cached_property
    def imports(self) -> dict[str, list[str]]:
        """For each name that it imports unconditionally: a module, and maybe a name in there."""
        found = {}
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                for each in node.names:
                    found[each.asname or each.name.partition(".")[0]] = [each.name]
            elif isinstance(node, ast.ImportFrom) and node.module:
                for each in node.names:
                    found[each.asname or each.name] = [node.module, each.name]
        return found

    def value(self, name: str) -> object:
        """The value of a constant."""
        return getattr(import_module(self.name), name)


def _defined(node: ast.stmt) -> Iterator[tuple[str, _Definition]]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name, node
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, node
    elif isinstance(node, ast.Assign):
        targets = (each for target in node.targets for each in ast.walk(target))
        yield from ((each.id, node) for each in targets if isinstance(each, ast.Name))


@dataclass
class _Reached:
    """The definitions that a recipe uses, and the versions of other projects that it uses."""

    texts: dict[tuple[str, str], Any] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)

    def enter(self, module: _Module, name: str) -> int:
        """Add a definition and all that it names; returns its number."""
        key = (module.name, name)
        if key not in self.texts:
            self.texts[key] = None  # a recursive definition finds it here
            self.texts[key] = self._text(module, name)
        return list(self.texts).index(key)

    def _text(self, module: _Module, name: str) -> object:
        node = module.definitions[name]
        reader = _Reader(self, module)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return reader.read(node, name=False)
        if content := _content(module.value(name)):
            return content
        return [reader.read(node.value), [*dict(_defined(node))].index(name)]

    def resolve(self, module: _Module, chain: list[str]) -> str | None:
        """Add what a dotted name refers to.

        Returns the number of a definition of this project, as in ``#3``; ``#`` for a neutral module
        or a whole module; None for other projects.
        """
        first, *rest = chain
        if first in module.definitions:
            return ".".join([f"#{self.enter(module, first)}", *rest])
        if first == "__file__":
            raise TypeError(f"{module.name} names __file__ in a recipe; use a constant")
        source, *names = [*module.imports.get(first, [""]), *rest]
        if source.partition(".")[0] != _PROJECT:
            self._version(source)
            return None
        while names and _is_module(f"{source}.{names[0]}"):
            source = f"{source}.{names.pop(0)}"
        if source in NEUTRAL or not names:
            return "#"
        return self.resolve(_Module.named(source), names)

    def _version(self, module: str) -> None:
        top = module.partition(".")[0]
        if top and top not in sys.stdlib_module_names:
            project = PROJECTS.get(top, top.replace("_", "-"))
            self.versions.add(f"{project} {version(project)}")


@cache
def version(project: str) -> str:
    """The version of an installed project."""
    return metadata.version(project)


def _is_module(name: str) -> bool:
    """Whether a dotted name, in a package that is imported, is a module."""
    package, _, last = name.rpartition(".")
    return isinstance(getattr(import_module(package), last, None), ModuleType)


def _content(value: object) -> str | None:
    """The digest of the file or folder if ``value`` is a path in this checkout, else None."""
    if not isinstance(value, Path) or not value.is_relative_to(ROOT):
        return None
    if value.is_relative_to(sys.prefix):  # an installed tool: the digest has its version
        return None
    if value == ROOT:
        raise TypeError("a recipe names the checkout's folder; use a constant for what it needs")
    if value.is_dir():
        return tree_digest(value, lambda name: "__pycache__" not in name)
    return file_digest(value)


@dataclass
class _Reader:
    """Turns a definition into JSON that is the same in every Python version.

    ``local`` has a number for each local name of the function, which replaces the name.
    """

    reached: _Reached
    module: _Module
    local: Mapping[str, int] = field(default_factory=dict)

    def read(self, node: object, name: bool = True) -> object:
        """The node as nested lists; adds all definitions that it names to ``reached``.

        Without ``name`` the name of the definition itself is left out.
        """
        if isinstance(node, list):
            return [self.read(each) for each in node]
        if not isinstance(node, ast.AST):
            return repr(node)
        if isinstance(node, ast.Name | ast.arg) and (number := self._number(node)) is not None:
            return f"${number}"
        if (chain := self._outer(node)) and (found := self.reached.resolve(self.module, chain)):
            return found
        reader = self
        if isinstance(node, ast.FunctionDef):
            names = dict.fromkeys([*self.local, *_bound(node)])
            reader = replace(self, local={name: number for number, name in enumerate(names)})
        fields = {
            key: reader.read(value)
            for key, value in _fields(node)
            if value is not None and value != [] and (name or key != "name")
        }
        return [type(node).__name__, fields]

    def _outer(self, node: ast.AST) -> list[str]:
        chain = _chain(node)
        return chain if chain and chain[0] not in self.local else []

    def _number(self, node: ast.Name | ast.arg) -> int | None:
        return self.local.get(node.id if isinstance(node, ast.Name) else node.arg)


def _bound(function: ast.FunctionDef) -> Iterator[str]:
    """The local names of a function, which refer to nothing in its module."""
    yield from (each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg))
    for node in _own(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef):
            yield node.name


def _own(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own(child)


def _chain(node: ast.AST) -> list[str]:
    """``["a", "b"]`` for an expression ``a.b`` whose value is read; empty for anything else."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return [node.id]
    if isinstance(node, ast.Attribute) and (before := _chain(node.value)):
        return [*before, node.attr]
    return []


_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.ClassDef, ast.Lambda, *_COMPREHENSIONS)
_WITHOUT = {"annotation", "returns", "type_comment", "type_params", "kind", "ctx", "simple"}


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    for key, value in ast.iter_fields(node):
        if key == "body" and isinstance(node, ast.FunctionDef | ast.ClassDef):
            documented = ast.get_docstring(node, clean=False) is not None
            yield key, value[1:] if documented else value
        elif key not in _WITHOUT:
            yield key, value
