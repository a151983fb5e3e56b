"""Compile a core: TFLite and all libraries that it needs, as static libraries."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import Version

from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import ninja, toolchain
from wheelhouse.compile.flatc import flatc
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.sources import pins
from wheelhouse.sources.pins import Component

SUPERPROJECT = ROOT / "native" / "CMakeLists.txt"

_GENERATES = Version("2.22")
"""The oldest release here whose build generates headers with flatc."""


@dataclass(frozen=True)
class Core:
    """The options of a core.

    ``tflite`` is a release in sources.toml, ``processor`` an architecture, ``floor`` the oldest
    glibc version that the code may need, as in 2.17. ``xnnpack`` includes the XNNPACK delegate.
    ``checkout`` is a folder with TensorFlow's sources, which replace the pinned ones.
    """

    tflite: str
    processor: str
    floor: str
    xnnpack: bool
    checkout: Path | None = None

    @property
    def components(self) -> dict[str, Component]:
        """The components that it is compiled from, by name."""
        every = pins.release_components(self.tflite, self.checkout)
        return {
            name: replace(part, processor=self.processor)
            for name, part in every.items()
            if name != "wrapper"
        }

    @property
    def trees(self) -> dict[str, Step]:
        """The steps that unpack these components, by name."""
        return {name: component.tree for name, component in self.components.items()}

    @property
    def label(self) -> str:
        """Its name in messages and folders, as in ``tflite-2.14.1-aarch64``."""
        return f"tflite-{self.tflite}-{self.processor}{'' if self.xnnpack else '-noxnnpack'}"

    @property
    def step(self) -> Step:
        """The step that compiles its static libraries into ``lib``; an interrupted one resumes."""
        needs = {**self.trees, "toolchain": toolchain.toolchain(self.processor, self.floor)}
        if Version(self.tflite).release >= _GENERATES.release:
            needs["flatc"] = flatc(self.components["flatbuffers"])
        parameters = {"label": self.label, "xnnpack": self.xnnpack}
        return Step("cores", self.label, _compile, needs, parameters, resume=True)

    def defines(self) -> tuple[str, ...]:
        """The compiler flags that code needs to include TFLite's headers as the library does."""
        delegate = ("-DTFLITE_BUILD_WITH_XNNPACK_DELEGATE",) if self.xnnpack else ()
        return ("-DTFL_STATIC_LIBRARY_BUILD", "-DTFLITE_WITH_RUY", *delegate)


def _compile(inputs: Inputs, folder: Path) -> None:
    label = inputs.parameters["label"]
    log = inputs.store.log(f"core-{label}")
    build_folder = plain_path(folder) / "build"
    env = ninja.environment(inputs.store)
    command = _configure(inputs, build_folder)
    # The folder of an interrupted run is of use only if the same command configured it.
    configuration = "\n".join(word for word in command if "_LAUNCHER=" not in word)
    configured = build_folder / "configured.txt"
    if not configured.is_file() or configured.read_text() != configuration:
        shutil.rmtree(build_folder, ignore_errors=True)
        ninja.configure(command, folder, f"Configuring {label}", log, env)
        configured.write_text(configuration)
    ninja.build(build_folder, f"Compiling {label}", log, env)
    libraries = folder / "lib"
    libraries.mkdir(exist_ok=True)
    for archive in build_folder.rglob("*.a"):
        shutil.copyfile(archive, libraries / archive.name)
    shutil.rmtree(build_folder)


def _configure(inputs: Inputs, build_folder: Path) -> list[str]:
    needs = {name: plain_path(path) for name, path in inputs.needs.items()}
    tools, compiler = Toolchain(needs.pop("toolchain")), needs.pop("flatc", None)
    flags = " ".join((*toolchain.COMPILE_FLAGS, *prefix_maps(needs, build_folder)))
    launcher = ninja.launcher()
    settings: dict[str, object] = {
        "CMAKE_MAKE_PROGRAM": plain_path(toolchain.NINJA),
        "CMAKE_TOOLCHAIN_FILE": tools.cmake_file,
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
        "CMAKE_BUILD_TYPE": "None",
        "TFLITE_ENABLE_XNNPACK": "ON" if inputs.parameters["xnnpack"] else "OFF",
        "Python_EXECUTABLE": plain_path(Path(sys.executable)),
        **{f"CMAKE_{language}_FLAGS": flags for language in ("C", "CXX", "ASM")},
        **{f"SOURCE_{name.upper()}": tree for name, tree in needs.items()},
    }
    if launcher:
        settings |= {f"CMAKE_{language}_COMPILER_LAUNCHER": launcher for language in ("C", "CXX")}
    if compiler:
        settings["TFLITE_HOST_TOOLS_DIR"] = compiler
    return [
        *(str(plain_path(toolchain.CMAKE)), "-G", "Ninja"),
        *("-S", str(plain_path(SUPERPROJECT.parent)), "-B", str(build_folder)),
        *(f"-D{key}={value}" for key, value in settings.items()),
    ]


def prefix_maps(trees: dict[str, Path], folder: Path) -> tuple[str, ...]:
    """The compiler flags that replace the paths of these folders in compiled code by names."""
    named = {**{tree: name for name, tree in trees.items()}, folder: "build"}
    return tuple(f"-ffile-prefix-map={path}={name}" for path, name in named.items())
