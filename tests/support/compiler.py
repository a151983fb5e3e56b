"""The project's own cross compiler."""

from __future__ import annotations

from dataclasses import replace

from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile import ninja
from wheelhouse.compile.toolchain import Toolchain, toolchain
from wheelhouse.sources.fetch import Fetcher


def compiler(store: Store, processor: str = "aarch64") -> Toolchain:
    """The cross compiler for a processor; run it with :func:`environment`."""
    return Toolchain(get_or_make(toolchain(processor, "2.17"), Fetcher(store)))


def environment() -> dict[str, str]:
    """The environment for compiles of tests: they share a cache of zig's, which no step uses."""
    store = Store.default()
    return ninja.environment(replace(store, compilers=store.root / "zig"))
