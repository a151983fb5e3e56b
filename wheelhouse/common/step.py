"""Steps: what is made, of what, by which code; the key of each is computed from all of that.

A step's output lies in the store below its key. Nobody writes a key by hand, and a recipe is handed
nothing but what its step declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from wheelhouse.common import costs, recipe
from wheelhouse.common.store import Store, digest, file_digest


class Pinned(Protocol):
    """A file or folder from elsewhere whose content is known beforehand."""

    @property
    def content(self) -> object:
        """Digests of all that may count as its content, JSON-serialisable."""


class Fetcher(Protocol):
    """Where steps are made: a store, and somebody who brings what is pinned."""

    @property
    def store(self) -> Store:
        """Where outputs lie."""

    def file(self, pinned: Any) -> Path:
        """The verified file or folder."""


@dataclass(frozen=True)
class Inputs:
    """All that a recipe may use; ``needs`` are folders of steps, and files.

    The store is for logs and for what compilers keep.
    """

    needs: Mapping[str, Path]
    parameters: Mapping[str, Any]
    store: Store


Recipe = Callable[[Inputs, Path], None]


@dataclass(frozen=True)
class Step:
    """One thing to make: ``recipe(inputs, folder)`` fills the folder.

    ``needs`` are other steps, pinned things, and files of this machine, which count by their
    content. ``parameters`` are JSON-serialisable. With ``resume`` the folder of an interrupted run
    is handed to the recipe again. An output that is not ``sealed`` is not checked when it is used.

    Example: ``Step("trees", "ruy-1", unpack, {"archive": component})``.
    """

    kind: str
    label: str
    recipe: Recipe
    needs: Mapping[str, Step | Pinned | Path] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    sealed: bool = True

    @cached_property
    def key(self) -> str:
        """The digest of all that decides the output's content."""
        needs = {name: _identity(need) for name, need in self.needs.items()}
        return digest(self.kind, needs, self.parameters, recipe.digest_of(self.recipe))

    def place(self, store: Store) -> Path:
        """Where the output lies, made or not."""
        return store.place(self.kind, self.label, self.key)


def _identity(need: Step | Pinned | Path) -> object:
    if isinstance(need, Step):
        return need.key
    return file_digest(need) if isinstance(need, Path) else need.content


def get_or_make(step: Step, fetcher: Fetcher) -> Path:
    """The folder of a step's output, made unless it exists, after what it needs.

    Raises what its recipe raises, and WheelhouseError when the disk is full.
    """

    def make(folder: Path) -> None:
        inputs = Inputs(_needs(step, fetcher), step.parameters, fetcher.store)
        with costs.noted(fetcher.store, step.kind, step.label, folder):
            step.recipe(inputs, folder)

    return fetcher.store.get_or_make(
        step.kind, step.label, step.key, make, resume=step.resume, check=step.sealed
    )


def _needs(step: Step, fetcher: Fetcher) -> dict[str, Path]:
    found = {}
    for name, need in step.needs.items():
        if isinstance(need, Step):
            found[name] = get_or_make(need, fetcher)
        else:
            found[name] = need if isinstance(need, Path) else fetcher.file(need)
    return found


def is_cached(step: Step, store: Store) -> Path | None:
    """The folder of a step's output if it exists; one that was changed is removed."""
    return store.cached(step.kind, step.label, step.key, check=step.sealed)


def plan(*wanted: Step) -> list[Step]:
    """These steps and all that they need, each once and after what it needs."""
    found: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.key not in found:
            for need in step.needs.values():
                if isinstance(need, Step):
                    visit(need)
            found[step.key] = step

    for step in wanted:
        visit(step)
    return list(found.values())
