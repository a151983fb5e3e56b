"""Compile chosen files of one component to a static library.

The compiler gets the path of each component through a symbolic link beside the objects. So every
path is relative and has no digest: objects contain no path of this machine, and a compiler cache
still has a file after a patch to others.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ninja.ninja_syntax import Writer

from wheelhouse.common.step import Inputs, Recipe, Step
from wheelhouse.compile import ninja, toolchain
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.sources.pins import Component


def library(
    component: Component, headers: Sequence[Component], processor: str, floor: str, recipe: Recipe
) -> Step:
    """The step that compiles a component to a static library; ``recipe`` calls :func:`archive`.

    ``headers`` are further components that the compiler can include. ``floor`` is the oldest glibc
    version that the code may need, as in 2.17. An interrupted compile resumes.
    """
    label = f"{component.label}-{processor}"
    return Step(
        kind="libraries",
        label=label,
        recipe=recipe,
        needs={
            **{part.name: part.tree for part in (component, *headers)},
            "toolchain": toolchain.toolchain(processor, floor),
        },
        parameters={"component": component.name, "version": component.pin.version, "label": label},
        resume=True,
    )


def static_library(folder: Path) -> Path:
    """The path of the one static library in a folder."""
    (path,) = folder.glob("lib*.a")
    return path


def archive(
    inputs: Inputs,
    folder: Path,
    *,
    chosen: Mapping[str, str],
    flags: Sequence[str],
    includes: Sequence[str],
    texts: Mapping[str, str] | None = None,
) -> None:
    """Compile files of a component to the static library ``lib<component>.a`` in ``folder``.

    ``chosen`` has for each source file, relative to the component, its own compiler flags;
    ``flags`` are for all files. ``includes`` are include folders, each a path that begins with a
    component's name; ``texts`` has the content of header files to write, by name. Raises
    WheelhouseError with the first compiler error.
    """
    name, label = inputs.parameters["component"], inputs.parameters["label"]
    for filename, text in (texts or {}).items():
        path = folder / filename
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
    rules = _ninja(inputs, folder, chosen, (*flags, *(f"-I{path}" for path in (".", *includes))))
    (folder / "build.ninja").write_text(rules)
    log = inputs.store.log(label)
    env = ninja.environment(inputs.store)
    ninja.build(folder, f"Compiling {label}", log, env, cached=inputs.store)
    for path in folder.iterdir():
        if path.name != f"lib{name}.a":
            path.unlink()


def _ninja(inputs: Inputs, folder: Path, chosen: Mapping[str, str], flags: Sequence[str]) -> str:
    name = inputs.parameters["component"]
    needs = dict(inputs.needs)
    tools = Toolchain(needs.pop("toolchain"))
    for each, tree in needs.items():
        link = folder / each
        link.unlink(missing_ok=True)
        link.symlink_to(tree)
    words = " ".join((*toolchain.COMPILE_FLAGS, *flags))
    text = io.StringIO()
    rules = Writer(text, width=10_000)  # type: ignore[arg-type]
    rules.rule(
        "cxx",
        f"{ninja.LAUNCHER} {tools.cxx} {words} $own -MD -MF $out.d -c $in -o $out",
        depfile="$out.d",
        deps="gcc",
    )
    rules.rule(
        "archive",
        f"rm -f $out && {tools.ar} rcsD $out @$out.list",
        rspfile="$out.list",
        rspfile_content="$in",
    )
    objects = []
    for path, own in sorted(chosen.items()):
        objects.append(f"{path.replace('/', '-')}.o")
        rules.build([objects[-1]], "cxx", [f"{name}/{path}"], variables={"own": own})
    rules.build([f"lib{name}.a"], "archive", objects)
    return text.getvalue()
