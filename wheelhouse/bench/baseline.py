"""What a few models execute on emulated boards, phase by phase, to compare later wheels with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple
from pathlib import Path

from wheelhouse.bench import instructions
from wheelhouse.common import toml
from wheelhouse.common.files import write_whole
from wheelhouse.machines.qemu import Instructions
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.verify import runtime_trials

FILE = Path(__file__).with_name("baseline.toml")

BOARDS = ("Raspberry Pi 4", "Raspberry Pi 5")
MODELS = (
    *("face_detection_short_range", "hand_landmark_lite"),
    *("mobilenet-0.25-96-float32", "mobilenet-0.25-96-int8", "mobilenet-0.25-96-uint8"),
    "mobilenet-0.25-96-dynamic",
)
"""Two with FP16 weights, one with FP32 weights, and quantised ones of each kind."""

PHASES = ("construct", "allocate", "first", "steady")
"""The constructor, the allocation of tensors, the first use and the second."""

TOLERANCE = 0.01
"""The share by which a phase may grow."""

NOISE = 2_000
"""Instructions by which two runs of a phase may differ; in those that were compared, none did."""

Counts = Mapping[str, Mapping[str, Mapping[str, Instructions]]]
"""Instructions by board, model and phase."""

_HEAD = """\
# Instructions on emulated boards on one thread, by TFLite release, board, model and phase:
# [branch, integer, memory, vector]. `invoke bench --only baseline` writes this file.
"""


def measure(wheel: Path, fetcher: Fetcher) -> Counts:
    """What a wheel executes of the models that its release runs."""
    archives = {name: fetcher.file(pins.shared(name)) for name in runtime_trials.ARCHIVES}
    tried = [each for each in runtime_trials.models_of(wheel, archives) if each.name in MODELS]
    with instructions.counter(wheel, fetcher) as counter:

        def phases(content: bytes, board: str) -> dict[str, Instructions]:
            construct, allocate, _, *uses = counter.of_workload(content, 2, systems.board(board))
            return dict(zip(PHASES, (construct, allocate, *uses), strict=True))

        return {
            board: {model.name: phases(model.content, board) for model in tried} for board in BOARDS
        }


def growths(known: Counts, found: Counts) -> Iterator[str]:
    """A line for each phase that grew by more than :data:`TOLERANCE` and :data:`NOISE`.

    What shrank is written down by the next ``invoke bench --only baseline``, and may grow back
    until then.
    """
    for board, models in found.items():
        for model, phases in models.items():
            for phase, now in phases.items():
                before = known[board][model][phase]
                more = now - before
                if more.total > max(NOISE, TOLERANCE * before.total):
                    kinds = (f"{kind} {count:+,}" for kind, count in asdict(more).items())
                    yield (
                        f"{board}, {model}, {phase}: {now.total:,} instructions, "
                        f"{more.total:+,} ({', '.join(kinds)})"
                    )


def read(path: Path = FILE) -> dict[str, Counts]:
    """The counts of each TFLite release; raises WheelhouseError if the file is not valid."""
    releases = toml.load(
        path, dict[str, dict[str, dict[str, dict[str, tuple[int, int, int, int]]]]]
    )
    return {
        release: {
            board: {
                model: {phase: Instructions(*kinds) for phase, kinds in phases.items()}
                for model, phases in models.items()
            }
            for board, models in boards.items()
        }
        for release, boards in releases.items()
    }


def write(counts: Mapping[str, Counts], path: Path = FILE) -> None:
    """Write the counts of each TFLite release in the format that :func:`read` reads."""
    tables = (
        f'\n["{release}"."{board}"."{model}"]\n'
        + "".join(f"{phase} = {[*astuple(kinds)]}\n" for phase, kinds in phases.items())
        for release, boards in counts.items()
        for board, models in boards.items()
        for model, phases in models.items()
    )
    write_whole(path, (_HEAD + "".join(tables)).encode())
