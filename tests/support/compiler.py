"""The project's own cross compiler."""

from __future__ import annotations

from wheelhouse.sources import Sources
from wheelhouse.step import get_or_make
from wheelhouse.store import Store
from wheelhouse.toolchain import Toolchain, toolchain


def compiler(store: Store) -> Toolchain:
    """The compiler for the Raspberry Pi, to be run in ``compile.environment(store)``."""
    return Toolchain(get_or_make(toolchain("aarch64", "2.17"), Sources(store)))
