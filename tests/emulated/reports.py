"""Store anew the reports that test_judge.py doctors.

python -m tests.emulated.reports RUNTIME DELEGATE: the universal wheel of the runtime, and the
delegate's. Say in the commit what changed in them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from wheelhouse.machines import rootfs
from wheelhouse.record import Check
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.targets.systems import Board
from wheelhouse.verify import delegate_trials, runtime_trials
from wheelhouse.verify.session import ProbeResult, TrialSetup

FOLDER = Path(__file__).parents[1] / "integration" / "reports"


def store(setup: TrialSetup, name: str, fetcher: Fetcher, *boards: str) -> None:
    def keep(board: Board, result: ProbeResult) -> Iterable[Check]:
        content = {"stderr": result.done.stderr, "report": result.report}
        path = FOLDER / f"{name}-{board.name.rpartition(' ')[2]}.json"
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        return ()

    tree = rootfs.tree(setup.system, fetcher.store)
    for _ in replace(setup, boards=boards, judge=keep).run(fetcher.store, tree):
        pass


def main(runtime: Path, delegate: Path) -> None:
    fetcher, system = Fetcher.given(), systems.system("bookworm")
    archives = {name: fetcher.file(pins.shared(name)) for name in runtime_trials.ARCHIVES}
    store(
        runtime_trials.trial_setup(runtime, system, None, archives),
        "runtime",
        fetcher,
        "Raspberry Pi 4",
    )
    setup = delegate_trials.trial_setup(delegate, runtime, system, archives)
    store(setup, "delegate", fetcher, "Raspberry Pi 4", "Raspberry Pi 5")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
