"""A static library of chosen files of one component, compiled once per digest of what made it.

The compiler sees every component through a link beside its objects, so that each path it is told is
relative and without a digest: no path of this machine gets into the objects, and a compiler cache
knows a file again when a patch has changed others.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ninja.ninja_syntax import Writer

from wheelhouse import compile, toolchain
from wheelhouse.sources import Component, Sources
from wheelhouse.store import Step, digest, file_digest

KIND = "libraries"


@dataclass(frozen=True)
class Library:
    """What decides a library; ``floor`` is the oldest glibc it may need, for example 2.17.

    ``choose`` takes the component's unpacked folder and gives each file to compile with flags of
    its own. ``includes`` are folders of the component and of ``headers``, each below the
    component's name. ``texts`` are files to write for the compiler to find. ``recipe`` is the file
    that says all this.
    """

    component: Component
    processor: str
    floor: str
    choose: Callable[[Path], Mapping[str, str]]
    flags: tuple[str, ...]
    includes: tuple[str, ...]
    headers: tuple[Component, ...]
    texts: Mapping[str, str]
    recipe: Path

    @property
    def label(self) -> str:
        """Its name for readers and folders."""
        return f"{self.component.label}-{self.processor}"

    @property
    def filename(self) -> str:
        """The library's own name."""
        return f"lib{self.component.name}.a"

    @property
    def identity(self) -> str:
        """A digest of all that decides its content."""
        return digest(
            [component.identity for component in self.components],
            toolchain.identity(self.processor, self.floor),
            [file_digest(path) for path in (Path(__file__), self.recipe)],
        )

    @property
    def step(self) -> Step:
        """Where it lies in the store."""
        return Step(KIND, self.label, self.identity, large=True)

    @property
    def components(self) -> tuple[Component, ...]:
        """What it is compiled from."""
        return (self.component, *self.headers)


def build(library: Library, at: Sources) -> Path:
    """The static library, compiled unless it exists.

    Raises WheelhouseError with the first compiler error; an interrupted build goes on.
    """

    def make(folder: Path) -> None:
        for name, text in library.texts.items():
            path = folder / name
            if not path.is_file() or path.read_text() != text:
                path.write_text(text)
        (folder / "build.ninja").write_text(_ninja(library, at, folder))
        log = at.store.log(library.label)
        compile.ninja(folder, f"Compiling {library.label}", log, toolchain.environment(at.store))
        for path in folder.iterdir():
            if path.name != library.filename:
                path.unlink()

    folder = at.store.made(KIND, library.label, library.identity, make, resume=True)
    return folder / library.filename


def link(component: Component, at: Sources, folder: Path) -> Path:
    """The component's unpacked tree, with a link to it in ``folder``."""
    tree = at.tree(component)
    seen = folder / component.name
    seen.unlink(missing_ok=True)
    seen.symlink_to(tree)
    return tree


def _ninja(library: Library, at: Sources, folder: Path) -> str:
    tools = toolchain.prepare(library.processor, library.floor, at.store)
    tree, *_ = [link(component, at, folder) for component in library.components]
    includes = [f"-I{name}" for name in (".", *library.includes)]
    words = (*toolchain.COMPILE_FLAGS, *library.flags, *includes)
    text = io.StringIO()
    rules = Writer(text, width=10_000)  # type: ignore[arg-type]
    rules.rule(
        "cxx",
        f"{toolchain.launcher() or ''} {tools.cxx} {' '.join(words)} $own -MD -MF $out.d "
        "-c $in -o $out",
        depfile="$out.d",
        deps="gcc",
    )
    rules.rule(
        "archive",
        f"rm -f $out && {tools.folder / 'ar'} rcsD $out @$out.list",
        rspfile="$out.list",
        rspfile_content="$in",
    )
    objects = []
    for name, own in sorted(library.choose(tree).items()):
        objects.append(f"{name.replace('/', '-')}.o")
        path = f"{library.component.name}/{name}"
        rules.build([objects[-1]], "cxx", [path], variables={"own": own})
    rules.build([library.filename], "archive", objects)
    return text.getvalue()
