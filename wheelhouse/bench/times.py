"""Time the wheels for PCs against the official runtimes, in turns, on this machine's processor."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from wheelhouse.common import process
from wheelhouse.common.root import ROOT
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems
from wheelhouse.verify import session

RACE = ROOT / "wheelhouse" / "guest" / "race.py"
TURNS = 15
THREADS = (1, 2)


def ratios(
    ours: Path, theirs: Path, models: Sequence[Model], fetcher: Fetcher
) -> dict[int, dict[str, float]]:
    """For each number of threads and model: our time per inference divided by theirs.

    Each is the median of ratios of neighbouring turns. Both wheels run on Debian 12, beside its
    NumPy, at the same time. Raises WheelhouseError if a runtime fails.
    """
    system, board = systems.system("Debian 12 for PCs"), systems.board("PC")
    races = [(model.name, threads) for threads in THREADS for model in models]
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        for name, wheel in (("ours", ours), ("theirs", theirs)):
            (work / name).mkdir()
            # ai-edge-litert depends on packages that its interpreter does not import.
            session.install(wheel, None, system, fetcher, work / name, "--no-deps")
        for model in models:
            (work / model.name).write_bytes(model.content)
        plan = {"contestants": ["ours", "theirs"], "races": races, "turns": TURNS}
        (work / "plan.json").write_text(json.dumps(plan))
        (work / RACE.name).write_bytes(RACE.read_bytes())
        done = qemu.run(
            [f"python{system.python}", RACE.name, "plan.json", "times.json"],
            tree=rootfs.tree(system, fetcher.store),
            board=board,
            work=work,
            timeout=1800,
        )
        if done.status:
            log = fetcher.store.log("race")
            raise process.failure(
                "The race failed", done, log, "Run `invoke verify` to find the cause."
            )
        times = json.loads((work / "times.json").read_text())
    found: dict[int, dict[str, float]] = {threads: {} for threads in THREADS}
    for (name, threads), (our, their) in zip(races, times, strict=True):
        found[threads][name] = median(one / other for one, other in zip(our, their, strict=True))
    return found
