"""Store anew the reports that test_judge.py and test_judge_apps.py doctor.

python -m tests.emulated.reports RUNTIME DELEGATE: the universal wheel of the runtime, and the
delegate's. The apps' are made. Say in the commit what changed in them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from wheelhouse.common.step import Step, get_or_make
from wheelhouse.machines import rootfs
from wheelhouse.package import products
from wheelhouse.record import Check
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import scenes
from wheelhouse.targets import systems
from wheelhouse.targets.systems import System
from wheelhouse.verify import (
    bench_trials,
    delegate_trials,
    examples_trials,
    models_trials,
    runtime_trials,
    session,
)
from wheelhouse.verify.session import ProbeResult, TrialSetup

FOLDER = Path(__file__).parents[1] / "integration" / "reports"


def store(setup: TrialSetup, name: str, env: Step, fetcher: Fetcher) -> None:
    def keep(result: ProbeResult) -> Iterable[Check]:
        content = {"stderr": result.done.stderr, "report": result.report}
        path = FOLDER / f"{name}-{setup.board.name.rpartition(' ')[2]}.json"
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        return ()

    tree = rootfs.tree(setup.system, fetcher.store)
    replace(setup, judge=keep).run(fetcher.store, tree, get_or_make(env, fetcher) / "env")


def main(runtime: Path, delegate: Path) -> None:
    fetcher, system = Fetcher.from_options(), systems.system("bookworm")
    archives = {name: fetcher.file(pins.shared(name)) for name in runtime_trials.ARCHIVES}
    env = session.installation({"runtime": runtime, "delegate": delegate}, system, "host", "all")
    for name in ("Raspberry Pi 4", "Raspberry Pi 5"):
        board = systems.board(name)
        setup = delegate_trials.trial_setup(delegate, runtime, archives, system, board)
        store(setup, "delegate", env, fetcher)
    board = systems.board("Raspberry Pi 4")
    setup = runtime_trials.trial_setup(runtime, None, archives, system, board)
    store(setup, "runtime", env, fetcher)
    store_apps(runtime, system, fetcher)


def store_apps(runtime: Path, system: System, fetcher: Fetcher) -> None:
    board = systems.board("Raspberry Pi 4")
    bench, examples, *models = (products.build(each, fetcher) for each in products.apps())
    wheels = {path.name: path for path in (runtime, bench, examples, *models)}
    env = session.installation(wheels, system, "host", "apps")
    store(bench_trials.trial_setup(bench, runtime, system, board), "bench", env, fetcher)
    archives = {models_trials.ARCHIVE: fetcher.file(pins.shared(models_trials.ARCHIVE))}
    setup = models_trials.trial_setup(models[0], archives, system, board)
    store(setup, "models", env, fetcher)
    archives = {name: fetcher.file(pins.shared(name)) for name in scenes.ARCHIVES}
    setup = examples_trials.trial_setup(examples.name, archives, system, board)
    store(setup, "examples", env, fetcher)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
