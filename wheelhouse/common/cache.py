"""What lies in the store, how large it is and when it was last used; and its removal."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store

RESTING = timedelta(days=1)
"""What was used since then stays while any build runs: it may need that."""

_KEYED = re.compile(r"(?:.*-)?([0-9a-f]{16})(?:\.partial)?")
_NO_STEPS = frozenset({"costs", "docker", "engine", "locks", "logs"})
_DURATION = re.compile(r"(\d+)\s*([dh])")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MG])B?", re.IGNORECASE)


@dataclass(frozen=True)
class CachedOutput:
    """One output or fetched file; ``size`` in bytes, ``used`` in seconds since 1970.

    ``key`` holds the first 16 hex digits of its step's key, or is empty for what has none.
    """

    kind: str
    path: Path
    key: str
    size: int
    used: float


def entries(store: Store, prefix: str = "") -> Iterator[CachedOutput]:
    """All that lies in a store, and in the one that containers fill."""
    if not store.root.is_dir():
        return
    for kind in sorted(path for path in store.root.iterdir() if path.is_dir()):
        if kind.name == "docker" and not prefix:
            yield from entries(Store(kind), "docker/")
        if kind.name in _NO_STEPS:
            continue
        folders = [path for path in sorted(kind.iterdir()) if _KEYED.fullmatch(path.name)]
        for path in folders or [kind]:
            known = _KEYED.fullmatch(path.name)
            key = known[1] if known else ""
            yield CachedOutput(f"{prefix}{kind.name}", path, key, _size(path), path.stat().st_mtime)


def _size(folder: Path) -> int:
    """The bytes that a folder takes on the disk."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            total += Path(here, name).lstat().st_blocks * 512
    return total


def superfluous(
    found: Sequence[CachedOutput],
    needed: Set[str],
    keep: timedelta | None = None,
    limit: int | None = None,
) -> list[CachedOutput]:
    """What to remove of ``found``: what is not needed, the longest unused first.

    ``needed`` are the first 16 hex digits of keys. What was used within ``keep`` stays. With
    ``limit``, in bytes, no more goes than must for all to take less.
    """
    oldest = time.time() - keep.total_seconds() if keep else float("inf")
    idle = [entry for entry in found if entry.key and entry.key not in needed]
    idle = sorted((entry for entry in idle if entry.used < oldest), key=lambda entry: entry.used)
    if limit is None:
        return idle
    chosen, total = [], sum(entry.size for entry in found)
    for entry in idle:
        if total <= limit:
            break
        chosen.append(entry)
        total -= entry.size
    return chosen


def remove(store: Store, chosen: Sequence[CachedOutput]) -> list[CachedOutput]:
    """Remove entries, but for those that a running build holds; those that are gone.

    While any build runs, what was used within :data:`RESTING` stays.
    """
    young = time.time() - RESTING.total_seconds()
    busy = any(_held(path) for path in (store.root / "locks").glob("*.lock"))
    gone = []
    for entry in chosen:
        lock = FileLock(_lock(entry))
        if busy and entry.used > young:
            continue
        try:
            with lock.acquire(timeout=0):
                shutil.rmtree(entry.path)
                entry.path.with_name(f"{entry.path.name}.sha256").unlink(missing_ok=True)
        except Timeout:
            continue
        gone.append(entry)
    return gone


def _lock(entry: CachedOutput) -> Path:
    kind, name = entry.path.parent, entry.path.name.removesuffix(".partial")
    what = f"file-{entry.key}" if kind.name == "files" else f"{kind.name}-{name}"
    folder = kind.parent / "locks"
    folder.mkdir(exist_ok=True)
    return folder / f"{what}.lock"


def _held(path: Path) -> bool:
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True


def duration(text: str) -> timedelta:
    """``30d`` or ``12h``; raises WheelhouseError for anything else."""
    if found := _DURATION.fullmatch(text):
        return timedelta(hours=int(found[1]) * (24 if found[2] == "d" else 1))
    raise WheelhouseError(
        f"{text} is no duration.", "Give days or hours, as in --keep 30d.", Kind.USAGE
    )


def size(text: str) -> int:
    """The bytes of ``5GB`` or ``500MB``; raises WheelhouseError for anything else."""
    if found := _SIZE.fullmatch(text):
        return int(float(found[1]) * (10**9 if found[2] in "gG" else 10**6))
    raise WheelhouseError(f"{text} is no size.", "Give it as in --max 5GB.", Kind.USAGE)
