"""The project's own cross compiler."""

from __future__ import annotations

from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile.toolchain import Toolchain, toolchain
from wheelhouse.sources.fetch import Fetcher


def compiler(store: Store) -> Toolchain:
    """The cross compiler for the Raspberry Pi; run it with ``ninja.environment(store)``."""
    return Toolchain(get_or_make(toolchain("aarch64", "2.17"), Fetcher(store)))
