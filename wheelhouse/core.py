"""The TFLite static library, compiled once per digest of sources, toolchain and options."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from wheelhouse import compile, flatc, sources, toolchain
from wheelhouse.plain import plain
from wheelhouse.sources import Component, Sources
from wheelhouse.store import digest, file_digest

SUPERPROJECT = Path(__file__).parent.parent / "native" / "CMakeLists.txt"


@dataclass(frozen=True)
class Core:
    """What decides a core; ``floor`` is the oldest glibc it may need, for example 2.17.

    ``checkout`` is a folder with TensorFlow's sources, to be used instead of the pinned ones.
    """

    tflite: str
    processor: str
    floor: str
    xnnpack: bool
    checkout: Path | None = None

    @property
    def components(self) -> dict[str, Component]:
        """What it is compiled from."""
        every = sources.release(self.tflite, self.checkout)
        return {name: part for name, part in every.items() if name != "wrapper"}

    @property
    def label(self) -> str:
        """Its name for readers and folders."""
        return f"tflite-{self.tflite}-{self.processor}{'' if self.xnnpack else '-noxnnpack'}"

    @property
    def identity(self) -> str:
        """A digest of all that decides its content."""
        return digest(
            {name: component.identity for name, component in self.components.items()},
            toolchain.identity(self.processor, self.floor),
            file_digest(SUPERPROJECT),
            self.xnnpack,
        )

    def defines(self) -> tuple[str, ...]:
        """What code that includes TFLite's headers must define to agree with the library."""
        delegate = ("-DTFLITE_BUILD_WITH_XNNPACK_DELEGATE",) if self.xnnpack else ()
        return ("-DTFL_STATIC_LIBRARY_BUILD", "-DTFLITE_WITH_RUY", *delegate)


def build(core: Core, at: Sources) -> Path:
    """The folder with the core's static libraries, compiled unless it exists.

    Raises WheelhouseError with the first compiler error; an interrupted build goes on.
    """
    store = at.store
    return store.made(
        "cores", core.label, core.identity, lambda folder: _make(core, at, folder), resume=True
    )


def _make(core: Core, at: Sources, folder: Path) -> None:
    store = at.store
    tools = toolchain.prepare(core.processor, core.floor, store)
    trees = {name: plain(at.tree(component)) for name, component in core.components.items()}
    log = store.log(f"core-{core.label}")
    build_folder = plain(folder) / "build"
    env = toolchain.environment(store)
    command = _configure(core, tools, trees, build_folder)
    if _generates(trees["tensorflow"]):
        compiler = flatc.build(core.components["flatbuffers"], at)
        command.append(f"-DTFLITE_HOST_TOOLS_DIR={plain(compiler)}")
    # What an earlier run configured is of use if no folder was moved since.
    told = "\n".join(word for word in command if "_LAUNCHER=" not in word)
    configured = build_folder / "configured.txt"
    if not configured.is_file() or configured.read_text() != told:
        shutil.rmtree(build_folder, ignore_errors=True)
        compile.configure(command, folder, f"Configuring {core.label}", log, env)
        configured.write_text(told)
    compile.ninja(build_folder, f"Compiling {core.label}", log, env)
    libraries = folder / "lib"
    libraries.mkdir(exist_ok=True)
    for archive in build_folder.rglob("*.a"):
        shutil.copyfile(archive, libraries / archive.name)
    shutil.rmtree(build_folder)


def _generates(tensorflow: Path) -> bool:
    """Whether this release generates headers with flatc while it is compiled."""
    text = (tensorflow / "tensorflow/lite/CMakeLists.txt").read_text()
    return 'COMMAND "${FLATBUFFERS_FLATC_EXECUTABLE}"' in text


def _configure(
    core: Core, tools: toolchain.Toolchain, trees: dict[str, Path], build_folder: Path
) -> list[str]:
    flags = " ".join((*toolchain.COMPILE_FLAGS, *prefix_maps(trees, build_folder)))
    launcher = toolchain.launcher()
    settings: dict[str, object] = {
        "CMAKE_MAKE_PROGRAM": plain(toolchain.NINJA),
        "CMAKE_TOOLCHAIN_FILE": tools.cmake_file,
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
        "CMAKE_BUILD_TYPE": "None",
        "TFLITE_ENABLE_XNNPACK": "ON" if core.xnnpack else "OFF",
        "Python_EXECUTABLE": plain(Path(sys.executable)),
        **{f"CMAKE_{language}_FLAGS": flags for language in ("C", "CXX", "ASM")},
        **{f"SOURCE_{name.upper()}": tree for name, tree in trees.items()},
    }
    if launcher:
        settings |= {f"CMAKE_{language}_COMPILER_LAUNCHER": launcher for language in ("C", "CXX")}
    return [
        *(str(plain(toolchain.CMAKE)), "-G", "Ninja"),
        *("-S", str(plain(SUPERPROJECT.parent)), "-B", str(build_folder)),
        *(f"-D{key}={value}" for key, value in settings.items()),
    ]


def prefix_maps(trees: dict[str, Path], folder: Path) -> tuple[str, ...]:
    """Compiler flags that keep this machine's paths out of what is compiled."""
    named = {**{tree: name for name, tree in trees.items()}, folder: "build"}
    return tuple(f"-ffile-prefix-map={path}={name}" for path, name in named.items())
