"""Steps: each declares its inputs, its parameters and its recipe, which makes its output.

The key of a step is computed from all three; no key is written by hand. The store keeps the output
under that key. A recipe gets only what its step declares.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from wheelhouse.common import costs, progress, recipe
from wheelhouse.common.store import Entry, Store, digest, file_digest


class Pinned(Protocol):
    """A file or folder to fetch, whose content is known beforehand."""

    @property
    def content(self) -> object:
        """The digests that its content may have, JSON-serialisable."""


class Fetcher(Protocol):
    """A store for outputs, and the means to fetch pinned files."""

    @property
    def store(self) -> Store:
        """The store for outputs."""

    def file(self, pinned: Any) -> Path:
        """The path of a pinned file or folder, fetched and verified."""


@dataclass(frozen=True)
class Inputs:
    """Everything that a recipe may use.

    ``needs`` has, by name, the folders of other steps' outputs and the files that the step
    declares. ``store`` is for logs and for compilers' caches, which begin with the step's own
    :attr:`Step.cache` and are gone afterwards.
    """

    needs: Mapping[str, Path]
    parameters: Mapping[str, Any]
    store: Store


Recipe = Callable[[Inputs, Path], None]


@dataclass(frozen=True)
class Step:
    """One folder to make: ``recipe(inputs, folder)`` fills it.

    ``kind`` and ``label`` name it, as in ``trees`` and ``ruy-1``. ``needs`` are other steps, pinned
    files to fetch, and files on this machine, whose content is part of the key. ``parameters`` are
    JSON-serialisable. With ``resume`` the recipe gets the folder that an interrupted run left.
    Compilers' own cache begins as a copy of the output of ``cache``; that saves time and decides
    no content, so it is not in the key.

    Example: ``Step("trees", "ruy-1", unpack, {"archive": component})``.
    """

    kind: str
    label: str
    recipe: Recipe
    needs: Mapping[str, Step | Pinned | Path] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    cache: Step | None = None

    @cached_property
    def key(self) -> str:
        """The digest of everything that decides the output's content.

        Raises TypeError if the recipe is no function of a module.
        """
        needs = {name: _identity(need) for name, need in self.needs.items()}
        return digest(self.kind, needs, self.parameters, recipe.digest_of(self.recipe))

    @property
    def steps(self) -> list[Step]:
        """The steps whose outputs it uses."""
        needs = [need for need in self.needs.values() if isinstance(need, Step)]
        return [*needs, self.cache] if self.cache else needs

    @property
    def entry(self) -> Entry:
        """The name of its output in the cache."""
        return Entry(self.kind, self.label, self.key)


def _identity(need: Step | Pinned | Path) -> object:
    if isinstance(need, Step):
        return need.key
    return file_digest(need) if isinstance(need, Path) else need.content


def get_or_make(step: Step, fetcher: Fetcher) -> Path:
    """The folder of a step's output; it and what it needs are made if they do not exist.

    Raises what recipes raise, and WheelhouseError if the disk is full.
    """

    def make(folder: Path) -> None:
        needs = _needs(step, fetcher)
        with (
            _compilers(step, fetcher) as store,
            progress.making(step.kind, step.label),
            costs.noted(fetcher.store, step.kind, step.label, folder),
        ):
            step.recipe(Inputs(needs, step.parameters, store), folder)

    return fetcher.store.get_or_make(step.entry, make, resume=step.resume)


@contextmanager
def _compilers(step: Step, fetcher: Fetcher) -> Iterator[Store]:
    """The store, with a folder for the caches of the compilers that one recipe runs.

    What they keep would come into later outputs, and nothing could tell whether it was changed.
    """
    kept = get_or_make(step.cache, fetcher) if step.cache else None
    with tempfile.TemporaryDirectory(prefix="tflite-wheelhouse-") as scratch:
        if kept:
            shutil.copytree(kept, scratch, dirs_exist_ok=True)
        yield replace(fetcher.store, compilers=Path(scratch))


def _needs(step: Step, fetcher: Fetcher) -> dict[str, Path]:
    found = {}
    for name, need in step.needs.items():
        if isinstance(need, Step):
            found[name] = get_or_make(need, fetcher)
        else:
            found[name] = need if isinstance(need, Path) else fetcher.file(need)
    return found


def is_cached(step: Step, store: Store) -> Path | None:
    """The folder of a step's output, or None if it does not exist; a changed one is removed."""
    return store.cached(step.entry)


def plan(*wanted: Step) -> list[Step]:
    """These steps and all steps that they need, each once and after those that it needs."""
    found: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.key not in found:
            for need in step.steps:
                visit(need)
            found[step.key] = step

    for step in wanted:
        visit(step)
    return list(found.values())
