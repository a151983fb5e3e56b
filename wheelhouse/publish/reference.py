"""The generated parts of the documentation: options, keys, records, signatures and figures.

Each function returns Markdown for :mod:`wheelhouse.publish.docs`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import runpy
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
from invoke.parser.argument import Argument
from invoke.tasks import Task
from msgspec import NODEFAULT
from msgspec.inspect import (
    BoolType,
    DateTimeType,
    DateType,
    DictType,
    IntType,
    LiteralType,
    StrType,
    StructType,
    UnionType,
    VarTupleType,
    type_info,
)
from msgspec.structs import FieldInfo, fields

from wheelhouse import figures
from wheelhouse.common import surroundings
from wheelhouse.common.root import ROOT
from wheelhouse.machines.images import ImageTable
from wheelhouse.publish.index import IndexSettings
from wheelhouse.record import Record
from wheelhouse.sources.debian_record import DebianRecord
from wheelhouse.sources.origins import Origins
from wheelhouse.sources.pins import Pins
from wheelhouse.specimens import pipelines
from wheelhouse.targets.architectures import Architectures
from wheelhouse.targets.matrix import Matrix
from wheelhouse.targets.systems import SystemTable

FILES: Mapping[str, type[msgspec.Struct]] = {
    "architectures.toml": Architectures,
    "debian.toml": DebianRecord,
    "images.toml": ImageTable,
    "index.toml": IndexSettings,
    "matrix.toml": Matrix,
    "origins.toml": Origins,
    "sources.toml": Pins,
    "systems.toml": SystemTable,
}
"""The shape of each TOML file that the reference explains."""

NATIVE = ROOT / "native"
APPS = ROOT / "apps"

_WORDS: Mapping[type, str] = {
    BoolType: "true or false",
    DateTimeType: "time with a zone",
    DateType: "day",
    IntType: "whole number",
    StrType: "string",
}
_FIELD = re.compile(r"^``(\w+)``: ((?:.|\n(?!``|\n))+)", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


def address() -> str:
    """The address of the published index, with a slash at its end."""
    return IndexSettings.read(ROOT / "index.toml").address


def tasks() -> str:
    """A section for each task, with a table of its options."""
    known = sorted(known_tasks(), key=lambda task: str(task.name))
    return "\n\n".join(_task(each) for each in known)


def known_tasks() -> list[Task[Any]]:
    """The tasks of the command line.

    ``tasks.py`` is run for new ones: invoke's parser takes the help out of a task that it reads.
    """
    found = runpy.run_path(str(ROOT / "tasks.py"))
    return [each for each in found.values() if isinstance(each, Task)]


def _task(task: Task[Any]) -> str:
    name = str(task.name).replace("_", "-")
    head = f"## `./inv {name}`\n\n{inspect.cleandoc(task.__doc__ or '')}"
    rows = [_option(each) for each in task.get_arguments()]
    return f"{head}\n\n{_table(('option', 'default', 'meaning'), rows)}" if rows else head


def _option(argument: Argument) -> tuple[str, str, str]:
    name, default = str(argument.name).replace("_", "-"), argument.default
    told = argument.help or ""
    if argument.kind is bool:
        return f"`--{'no-' * bool(default)}{name}`", "on" if default else "off", told
    bare = argument.positional and argument.kind is not list
    shown = f"`{name.upper()}`" if bare else f"`--{name} {name.upper()}`"
    return shown, f"`{default}`" if default and argument.kind is str else "", told


def bench_options() -> str:
    """A table of the options of tflite-bench, as its own parser has them."""
    return _table(("option", "meaning"), _options(_app("tflite_bench.cli").parser()))


def examples_options() -> str:
    """A table of the options of tflite-examples, as its own parsers have them."""
    cli = _app("tflite_examples.cli")
    users: dict[tuple[str, str], list[str]] = {}
    for name in cli.PIPELINES:
        for option in _options(cli.parser(name)):
            users.setdefault(option, []).append(f"`{name}`")
    rows = [
        (usage, "all" if len(names) == len(cli.PIPELINES) else ", ".join(names), meaning)
        for (usage, meaning), names in users.items()
    ]
    return _table(("option", "pipelines", "meaning"), rows)


def examples_pipelines() -> str:
    """A table of the pipelines of tflite-examples."""
    known = _app("tflite_examples.cli").PIPELINES
    rows = [(f"`{name}`", about, f"`{module}.py`") for name, (module, about) in known.items()]
    return _table(("pipeline", "what it finds", "module"), rows)


def examples_models() -> str:
    """A table of the examples' models that are in a wheel."""
    table = pipelines.pipelines()
    precisions = {
        **{name: "FP32, INT8" if each.int8 else "FP32" for name, each in table.converted.items()},
        **{name: each.precision.upper() for name, each in table.copied.items()},
    }
    rows = [
        (f"`{name}`", each.pipeline, each.about, precisions[name], f"<{each.origin}>")
        for name, each in {**table.converted, **table.copied}.items()
        if each.wheel
    ]
    return _table(("model", "pipeline", "about", "files", "origin"), rows)


def _app(name: str) -> Any:
    """A module of a program in apps/."""
    sys.path.insert(0, str(APPS))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(APPS))


def _options(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Each option of a parser, as a reader writes it, and its help."""
    return [(_usage(each), each.help or "") for each in parser._actions if each.option_strings]


def _usage(option: argparse.Action) -> str:
    """An option as a reader writes it, as in `--threads N,M`."""
    named = option.metavar or "|".join(option.choices or ()) or option.dest.upper()
    words = named if isinstance(named, tuple) else (named,)
    value = "" if option.nargs == 0 else f" {' '.join(words)}"
    return f"`{option.option_strings[-1]}{value}`"


def bench_record() -> str:
    """What README of tflite-bench tells of the record."""
    text = (APPS / "tflite_bench" / "README.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("\n## The record\n")
    return rest.partition("\n## ")[0].strip()


def keys(file: str) -> str:
    """A section for each table of a TOML file of :data:`FILES`, with its keys."""
    return _structs(FILES[file], "`[{}]`", "`[[{}]]`")


def schema() -> str:
    """A section for each part of a verification record, and its JSON schema."""
    text = json.dumps(msgspec.json.schema(Record), indent=1)
    return f"{_structs(Record, '`{}`', '`{}[]`')}\n\n### JSON schema\n\n```json\n{text}\n```"


def _structs(root: type[msgspec.Struct], one: str, many: str) -> str:
    """A section for each struct within ``root``; its heading says where instances of it are."""
    places: dict[type[msgspec.Struct], list[str]] = {root: []}
    for path, in_array, shape in _inner(root):
        places.setdefault(shape, []).append((many if in_array else one).format(path))
    return "\n\n".join(_struct(*each) for each in places.items())


def _struct(shape: type[msgspec.Struct], places: Sequence[str]) -> str:
    head = f"### {', '.join(places)}\n\n" if places else ""
    summary = _markdown(inspect.cleandoc(shape.__doc__ or "").partition("\n\n")[0])
    known = explanations(shape)
    rows = [
        (
            f"`{each.encode_name}`",
            kind(type_info(each.type)),
            _default(each),
            known.get(each.name, ""),
        )
        for each in fields(shape)
    ]
    return f"{head}{summary}\n\n{_table(('key', 'type', 'default', 'meaning'), rows)}"


def _inner(shape: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, bool, Any]]:
    """The structs that the fields of a struct contain: path, whether in an array, and struct."""
    for each in fields(shape):
        name = f"{path}{each.encode_name}"
        in_array = False
        for info in _parts(type_info(each.type)):
            if isinstance(info, DictType):
                name += ".*"
            in_array |= isinstance(info, VarTupleType)
            if isinstance(info, StructType):
                yield name, in_array, info.cls
                yield from _inner(info.cls, f"{name}.")


def _parts(info: Any) -> Iterator[Any]:
    """A type and the types of what it contains, one within the other."""
    yield info
    for name in ("value_type", "item_type"):
        if inner := getattr(info, name, None):
            yield from _parts(inner)
    for each in getattr(info, "types", ()):
        yield from _parts(each)


def kind(info: Any) -> str:
    """A type in words, as in ``list of strings``."""
    if isinstance(info, LiteralType):
        return " or ".join(f"`{value}`" for value in info.values)
    if isinstance(info, UnionType):
        return " or ".join(kind(each) for each in info.types if kind(each))
    if isinstance(info, VarTupleType):
        return f"list of {_plural(kind(info.item_type))}"
    if isinstance(info, DictType):
        return f"table of {_plural(kind(info.value_type))}"
    if isinstance(info, IntType) and info.ge is not None:
        return f"{info.ge} to {info.le}"
    return "table" if isinstance(info, StructType) else _WORDS.get(type(info), "")


def _plural(word: str) -> str:
    """The plural of a type; a list's or a table's own first noun gets it."""
    first, of, rest = word.partition(" of ")
    return f"{first}s{of}{rest}"


def _default(entry: FieldInfo) -> str:
    if entry.required:
        return "required"
    made = entry.default if entry.default_factory is NODEFAULT else entry.default_factory()
    return f"`{json.dumps(made)}`" if made or made is False else "none"


def explanations(shape: type) -> dict[str, str]:
    """What a class and its bases say of each field, as Markdown.

    A field has a docstring of its own, or a paragraph in the class's that begins with its name.
    """
    found: dict[str, str] = {}
    for base in reversed(shape.__mro__):
        if base.__module__.startswith("wheelhouse."):
            (parsed,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            found.update(_in_docstring(inspect.getdoc(base) or ""))
            found.update(_attributes(parsed))
    return found


def _in_docstring(text: str) -> Iterator[tuple[str, str]]:
    for name, words in _FIELD.findall(text):
        sentence = " ".join(words.split())
        yield name, _markdown(sentence[0].upper() + sentence[1:])


def _attributes(parsed: Any) -> Iterator[tuple[str, str]]:
    for before, after in zip(parsed.body, parsed.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
            text = ast.literal_eval(after.value)
            yield ast.unparse(before.target), _markdown(" ".join(text.split()))


def api(name: str) -> str:
    """The signature of a public name of our Python packages, with its docstring if it has one.

    Raises KeyError if there is no such name.
    """
    text, found = _declared()[name]
    lines = text.splitlines()[found.lineno - 1 : found.end_lineno]
    doc = ast.get_docstring(found) if isinstance(found, ast.FunctionDef | ast.ClassDef) else None
    if doc:
        lines = lines[: found.body[0].lineno - found.lineno]
    code = _as_class(name, textwrap.dedent("\n".join(lines))).removesuffix(" ...").removesuffix(":")
    code = code.replace(": ...  #", "  #")
    return f"```python\n{code}\n```" + (f"\n\n{_markdown(doc)}" if doc else "")


def _as_class(name: str, code: str) -> str:
    """The signature of a class's ``__init__`` as that of the class; other code as it is."""
    class_name, _, method = name.rpartition(".")
    if method != "__init__":
        return code
    start = f"class {class_name.rpartition('.')[2]}("
    return re.sub(r"^def __init__\(\s*self,", start, code).replace(") -> None", ")")


def public_names() -> list[str]:
    """The names for :func:`api`: modules' functions, classes and constants, and their methods."""
    return [name for name in _declared() if not re.search(r"\._(?!_init__|_version__)", name)]


@cache
def _declared() -> dict[str, tuple[str, Any]]:
    """Each declared name, with the text of its file and its place there."""
    declared: dict[str, tuple[str, Any]] = {}
    for module, path in _modules().items():
        text = path.read_text(encoding="utf-8")
        for name, found in _names(ast.parse(text).body):
            declared.setdefault(f"{module}.{name}", (text, found))
    return declared


def _modules() -> dict[str, Path]:
    return {
        "tflite_runtime": NATIVE / "tflite_runtime" / "__init__.pyi",
        "tflite_runtime.interpreter": NATIVE / "tflite_runtime" / "interpreter.pyi",
        "tflite_runtime.xnnpack": NATIVE / "tflite_runtime" / "xnnpack.pyi",
        "tflite_armnn_delegate": NATIVE / "tflite_armnn_delegate" / "__init__.py",
    }


def _names(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for each in body:
        if isinstance(each, ast.FunctionDef):
            yield each.name, each
        elif isinstance(each, ast.ClassDef):
            yield each.name, each
            yield from ((f"{each.name}.{name}", inner) for name, inner in _names(each.body))
        elif isinstance(each, ast.AnnAssign):
            yield ast.unparse(each.target), each
        elif isinstance(each, ast.Assign):
            yield ast.unparse(each.targets[0]), each


def rooms() -> str:
    """A table of the packages of ``wheelhouse/``, each with the question that it answers."""
    rows = []
    for path in sorted((ROOT / "wheelhouse").glob("*/__init__.py")):
        question = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        rows.append((f"`{path.parent.name}`", question))
    return _table(("room", "question"), rows)


def figure(key: str) -> str:
    """A measured figure of figures.toml, as in ``13.7 min``; raises KeyError if it is not there."""
    return figures.read()[key].measured


def surroundings_of(group: str) -> str:
    """The names of :mod:`surroundings`: ``names``, ``prefixes``, ``proxies`` or ``pip``."""
    groups = {
        "names": surroundings.NAMES,
        "prefixes": [f"{prefix}*" for prefix in surroundings.PREFIXES],
        "proxies": surroundings.PROXIES,
        "pip": surroundings.PIP_SETTINGS,
    }
    return ", ".join(f"`{name}`" for name in sorted(groups[group]))


def _markdown(text: str) -> str:
    """The text of a docstring, whose code is between double backticks, as Markdown."""
    return _ROLE.sub(r"`\1`", text)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
