"""Compile CMake projects to objects that do not depend on the folders that things lie in.

The compiler gets every path relative to the folder that it runs in, and the path of each component
through a symbolic link there, which has the component's name. So neither objects nor preprocessed
sources contain a path of this machine or a digest, and machines can share a compiler cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from wheelhouse.common.plain import plain_path
from wheelhouse.common.step import Inputs
from wheelhouse.compile import ninja
from wheelhouse.compile.toolchain import CMAKE, NINJA, Toolchain

TREES = "trees"
"""The folder of links to components, in the folder that compilers run in."""

PREFIX_MAPS = (f"-ffile-prefix-map={TREES}/=", "-ffile-prefix-map=./=build/")
"""The compiler flags by which ``__FILE__`` begins with a component's name, or with ``build``."""

_ABSOLUTE = ("  COMMAND = ", "cmake_ninja_workdir = ")
"""How lines begin that stay: code generators run in other folders, and the second is a name."""


def build(
    inputs: Inputs, folder: Path, *, source: str, settings: Mapping[str, object], label: str
) -> Path:
    """Build the default target of a CMake project; returns the folder of what it made.

    ``source`` is the project's folder. In ``source`` and ``settings`` the text ``{name}`` stands
    for the folder of the component that ``inputs`` needs by that name. An interrupted build
    resumes if its settings are the same. Raises as :func:`ninja.build` does.
    """
    work = plain_path(folder) / "build"
    trees = {name: plain_path(path) for name, path in inputs.needs.items()}
    tools = Toolchain(trees.pop("toolchain"))
    links = {name: str(work / TREES / name) for name in trees}
    values = {
        "CMAKE_MAKE_PROGRAM": plain_path(NINJA),
        "CMAKE_TOOLCHAIN_FILE": tools.cmake_file,
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
        "CMAKE_SUPPRESS_REGENERATION": "ON",
        **{f"CMAKE_{language}_COMPILER_LAUNCHER": ninja.LAUNCHER for language in ("C", "CXX")},
        **settings,
    }
    command = [
        *(str(plain_path(CMAKE)), "-G", "Ninja", "-S", source.format_map(links), "-B", str(work)),
        *(f"-D{key}={str(value).format_map(links)}" for key, value in values.items()),
    ]
    log, env = inputs.store.log(label), ninja.environment(inputs.store)
    # The folder of an interrupted run is of use only if the same command configured it.
    configured, configuration = work / "configured.txt", "\n".join(command)
    if not configured.is_file() or configured.read_text() != configuration:
        shutil.rmtree(work, ignore_errors=True)
        for name, tree in trees.items():
            link = Path(links[name])
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(tree)
        ninja.configure(command, folder, f"Configuring {label}", log, env)
        _make_relative(work, trees)
        configured.write_text(configuration)
    ninja.build(work, f"Compiling {label}", log, env, cached=inputs.store)
    return work


def _make_relative(work: Path, trees: Mapping[str, Path]) -> None:
    """Replace absolute paths by relative ones in the build files that CMake wrote into ``work``."""
    names = {f"{work}/{TREES}/": f"{TREES}/", f"{work}/": "./", f"{work} ": ". "}
    names |= {f"{tree}/": f"{TREES}/{name}/" for name, tree in trees.items()}
    for path in (work / "build.ninja", work / "CMakeFiles" / "rules.ninja"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(_replaced(line, names) for line in lines))


def _replaced(line: str, names: Mapping[str, str]) -> str:
    if not line.startswith(_ABSOLUTE):
        for path, name in names.items():
            line = line.replace(path, name)
    return line
