"""Follow the lines that a document shows, in an emulated system beside a served folder."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.targets.systems import System

URL = "http://127.0.0.1:8000"
"""Where ``guest.hosting_pip`` serves the folder."""

MIRROR = f"{URL}/mirror/"
"""The index of everything that is not ours."""


@dataclass(frozen=True)
class Reader:
    """Who follows a document on ``system``; ``srv`` is the folder that is served."""

    system: System
    fetcher: Fetcher
    srv: Path
    work: Path

    def run(self, *words: str, **env: str) -> qemu.Emulated:
        """Run a command there, as on the newest board."""
        boards = systems.table().boards
        return qemu.run(
            words,
            tree=rootfs.tree(self.system, self.fetcher.store),
            board=[each for each in boards if each.processor == self.system.processor][-1],
            work=self.work,
            binds={self.srv: "/srv"},
            env={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COMPILE": "1", **env},
        )

    def follow(self, lines: list[str]) -> list[qemu.Emulated]:
        """Run shell lines, but for apt's, whose packages are there, and what tells the release.

        The first that fails is an AssertionError.
        """
        done = []
        for line in lines:
            words = self._expanded(shlex.split(line))
            if words[0] == "cp":
                shutil.copyfile(self.work / words[1], self.work / words[2])
            elif words[0] not in (".", "sudo"):
                done.append(self.run(*emulable(words), PIP_INDEX_URL=MIRROR))
                assert done[-1].status == 0, f"{line}: {done[-1].stderr}"
        return done

    def _expanded(self, words: list[str]) -> list[str]:
        """What a shell does with an asterisk."""
        return [name for word in words for name in self._matching(word)]

    def _matching(self, word: str) -> Iterator[str]:
        found = sorted(path.name for path in self.work.glob(word)) if "*" in word else []
        yield from found or [word]


def shown(text: str, language: str) -> list[str]:
    """A document's blocks of a language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)


def lines(blocks: list[str]) -> list[str]:
    """The lines of blocks, without empty ones."""
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def mirror(srv: Path, fetcher: Fetcher, name: str) -> None:
    """Serve a pinned package, in the place of the public index."""
    package = fetcher.file(pins.shared(name))
    folder = srv / "mirror" / package.name.split("-")[0].replace("_", "-")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package, folder / package.name)


def emulable(words: list[str]) -> list[str]:
    """The same for an emulated system, which runs no script and has no ensurepip."""
    words = [word.replace("~", qemu.HOME) for word in words]
    if words[-2:-1] == ["--system-site-packages"]:
        return [*words[:-1], "--without-pip", words[-1]]
    if words[0].endswith("/pip"):
        return [f"{words[0].removesuffix('pip')}python", "-m", "guest.hosting_pip", *words[1:]]
    if words[1:3] == ["-m", "pip"]:
        return [words[0], "-m", "guest.hosting_pip", *words[3:]]
    return words
