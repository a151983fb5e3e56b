"""A static library of chosen files of one component: what its recipe calls.

The compiler sees every component through a link beside its objects, so that each path it is told is
relative and without a digest: no path of this machine gets into the objects, and a compiler cache
knows a file again when a patch has changed others.
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
    """The folder with a component's static library, by a recipe that calls :func:`archive`.

    ``floor`` is the oldest glibc that it may need, for example 2.17. An interrupted compile goes
    on.
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
    """The one static library in a folder."""
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
    """Compile the chosen files of a component, each with flags of its own, into a static library.

    ``includes`` are folders of components, each below its component's name; ``texts`` are files to
    write for the compiler to find. Raises WheelhouseError with the first compiler error.
    """
    name, label = inputs.parameters["component"], inputs.parameters["label"]
    for filename, text in (texts or {}).items():
        path = folder / filename
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
    rules = _ninja(inputs, folder, chosen, (*flags, *(f"-I{path}" for path in (".", *includes))))
    (folder / "build.ninja").write_text(rules)
    log = inputs.store.log(label)
    ninja.build(folder, f"Compiling {label}", log, ninja.environment(inputs.store))
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
        f"{ninja.launcher() or ''} {tools.cxx} {words} $own -MD -MF $out.d -c $in -o $out",
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
