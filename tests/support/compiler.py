"""The project's own cross compiler."""

from __future__ import annotations

from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile.toolchain import Toolchain, toolchain
from wheelhouse.sources.fetch import Fetcher


def compiler(store: Store, processor: str = "aarch64") -> Toolchain:
    """The cross compiler for a processor; run it with ``ninja.environment(store)``."""
    return Toolchain(get_or_make(toolchain(processor, "2.17"), Fetcher(store)))
