"""Try whether a wrong model or a wrong input ends the process: make mutants and use them all.

Three mutators change right models: bytes of the file, fields of its schema, and, when it runs, the
integers and the shapes of its inputs. The same seed makes the same mutants.
"""

from __future__ import annotations

import copy
import json
import os
import re
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]

from wheelhouse.common import console, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.compile.toolchain import SANITIZERS
from wheelhouse.specimens import models
from wheelhouse.specimens.flatbuffer import ModelWriter
from wheelhouse.specimens.kernels import Specimen, specimens

GUEST = ROOT / "wheelhouse" / "guest" / "fuzz.py"

LARGE = 1024
"""A process that used more megabytes is listed, as one that did not end is."""

_CHECKS = {
    "GLIBC_TUNABLES": "glibc.malloc.check=3:glibc.malloc.perturb=165",
    "LD_PRELOAD": "libc_malloc_debug.so.0",
}
"""What lets glibc end a process that wrote beyond its memory, or used it before it was set."""

_SANITIZERS = {
    # The C++ library must be there when the sanitizers look for its functions.
    "LD_PRELOAD": f"{SANITIZERS} libstdc++.so.6",
    "ASAN_OPTIONS": "abort_on_error=1:handle_abort=1:allocator_may_return_null=1:detect_leaks=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-14",
}
"""What lets a build with sanitizers end a process at its first wrong access, and tell the place."""

_ERROR = re.compile(
    r"SUMMARY: AddressSanitizer: ([\w-]+)|ERROR: AddressSanitizer (failed to allocate)"
    r"|: runtime error: (.*)"
)
_FRAME = re.compile(r"^ *#\d+ \w+ in (?P<function>.*) (?P<source>[^ ]+?\.\w+):(?P<line>\d+)", re.M)
_MEMORY = ("out-of-memory", "allocation-size-too-big", "failed-to-allocate")
"""Errors of the sanitizers' allocator where a wheel's raises an exception."""

_CHUNK = 250
"""Mutants that one plan has; few enough that their files fit into memory."""

_SHARES = {"bytes": 0.25, "schema": 0.45, "integers": 0.3}
"""The part of the mutants that each mutator makes."""

_SHAPES = ((), (0,), (1,), (2, 3), (0, 3), (3, 0, 2), (1, 2, 3, 4), (1,) * 5, (2,) * 9, (1,) * 70)

_RARE = (
    *(schema.ModelT, schema.SubGraphT, schema.OperatorCodeT, schema.SignatureDefT),
    *(schema.TensorMapT, schema.QuantizationParametersT),
)
"""Tables whose fields are checked early, so that little behind them is tried if they are wrong."""

_INTEGERS = (-1, -2, 0, 1, 2, 3, 4, 7, 8, 16, 127, 255, 1000, 65536, 2**30, 2**31 - 1, -(2**31))


@dataclass(frozen=True)
class Mutant:
    """A model to use, and how: ``seed`` and ``values`` as in the guest's plan."""

    origin: str
    mutator: str
    content: bytes
    seed: int
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, Any]:
        """What the guest's plan says of it, without the file."""
        hostile = self.mutator == "integers"
        return {"seed": self.seed, "hostile": hostile, "values": dict(self.values)}


@dataclass(frozen=True)
class Finding:
    """A mutant that ended its process, or used more time or memory than it may.

    ``signal`` is the name of the signal, or ``memory``, or what a sanitizer found; ``kernel`` the
    operators that are left of the model when all are cut off that it does not need. ``place`` is
    the function, file and line that a sanitizer names, and ``said`` all that it said.
    """

    mutant: Mutant
    stage: str
    signal: str
    kernel: str
    place: str = ""
    said: str = ""

    @property
    def dies(self) -> bool:
        """Whether it ends the process, and not only goes on for too long or takes much memory."""
        return self.signal not in ("SIGALRM", "memory")


@dataclass(frozen=True)
class _Runtime:
    """The folder of the runtime's package, and the environment of processes that use it."""

    site: Path
    environment: Mapping[str, str]


def origins(archives: Mapping[str, Path]) -> list[Specimen]:
    """The right models: one for each kernel, the generated networks, and published ones."""
    whole = [*models.generated(), *models.real_models(archives)]
    return [*specimens(), *(Specimen(each.name, each.content, {}) for each in whole)]


def mutants(seed: int, count: int, right: Sequence[Specimen]) -> Iterator[Mutant]:
    """The first ``count`` mutants of a seed."""
    names = list(_SHARES)
    for number in range(count):
        random = np.random.RandomState([seed, number])
        origin = right[_choice(random, right)]
        mutator = names[int(random.choice(len(names), p=list(_SHARES.values())))]
        content = _MUTATORS[mutator](origin.content, random)
        values = {name: value.tolist() for name, value in origin.inputs.items()}
        yield Mutant(origin.name, mutator, content, int(random.randint(2**31)), values)


def _choice(random: np.random.RandomState, right: Sequence[Specimen]) -> int:
    """Large models are rarer: they take more time and have few kernels."""
    weights = np.array([1.0 if len(each.content) < 20_000 else 0.5 for each in right])
    return int(random.choice(len(right), p=weights / weights.sum()))


def run(wheel: Path, drawn: Iterable[Mutant], keep: Path) -> tuple[int, list[Finding]]:
    """Use all mutants with a wheel; ``keep`` gets the files of those that are found.

    A folder with the package in it, in the wheel's place, is a build with sanitizers. Returns how
    many mutants there were, and the findings.
    """
    found: list[Finding] = []
    count = 0
    with tempfile.TemporaryDirectory() as scratch:
        if wheel.is_dir():
            runtime = _Runtime(wheel, _SANITIZERS)
        else:
            runtime = _Runtime(Path(scratch, "site"), _CHECKS)
            with zipfile.ZipFile(wheel) as opened:
                opened.extractall(runtime.site)
        for used, findings in _in_parallel(lambda chunk: _findings(runtime, chunk), drawn):
            for finding in findings:
                found.append(finding)
                _keep(finding, keep)
            count += used
            console.say(f"{count} mutants: {len(found)} found.")
    return count, found


def _in_parallel(
    use: Callable[[list[Mutant]], list[Finding]], drawn: Iterable[Mutant]
) -> Iterator[tuple[int, list[Finding]]]:
    """What each chunk has, in their order, with as many at once as there are processors."""
    at_once = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(at_once) as pool:
        waiting: list[tuple[int, Future[list[Finding]]]] = []
        for chunk in _chunks(drawn):
            if len(waiting) == at_once:
                used, future = waiting.pop(0)
                yield used, future.result()
            waiting.append((len(chunk), pool.submit(use, chunk)))
        for used, future in waiting:
            yield used, future.result()


def _findings(runtime: _Runtime, chunk: Sequence[Mutant]) -> list[Finding]:
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        rows = _use(runtime, work, chunk)
        found = (_finding(runtime, work, *pair) for pair in zip(chunk, rows, strict=True))
        return [finding for finding in found if finding]


def table(found: Sequence[Finding]) -> list[str]:
    """The findings, counted by stage, signal, kernel and place."""
    counts = Counter((each.stage, each.signal, each.kernel, each.place) for each in found)
    rows = sorted(counts.items(), key=lambda row: -row[1])
    return [
        f"{count:4} {stage:10} {signal:8} {kernel} {place}".rstrip()
        for (stage, signal, kernel, place), count in rows
    ]


def judge(count: int, found: Sequence[Finding], keep: Path) -> None:
    """Raise WheelhouseError if more processes died than SECURITY.md lets."""
    early = [each for each in found if each.dies and each.stage != "invoke"]
    late = [each for each in found if each.dies and each.stage == "invoke"]
    if early or len(late) * 1000 > count:
        raise WheelhouseError(
            f"Of {count} mutants, {len(early)} end the process before invoke(), {len(late)} in it.",
            f"Run `./inv fuzz --again {keep}`, with the same options, after each correction.",
        )


def again(folder: Path) -> Iterator[Mutant]:
    """The mutants whose files a run kept."""
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        content = path.with_suffix(".tflite").read_bytes()
        yield Mutant(told["origin"], told["mutator"], content, told["seed"], told["values"])


def _chunks(drawn: Iterable[Mutant]) -> Iterator[list[Mutant]]:
    chunk: list[Mutant] = []
    for mutant in drawn:
        chunk.append(mutant)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _use(runtime: _Runtime, work: Path, chunk: Sequence[Mutant]) -> list[dict[str, Any]]:
    entries = []
    for number, mutant in enumerate(chunk):
        (work / f"{number}.tflite").write_bytes(mutant.content)
        entries.append({"model": f"{number}.tflite", **mutant.entry})
    (work / "plan.json").write_text(json.dumps({"runtime": str(runtime.site), "mutants": entries}))
    report = work / "report.json"
    done = process.run(
        [sys.executable, "-I", "-B", GUEST, work / "plan.json", report], env=runtime.environment
    )
    if done.status:
        raise WheelhouseError(
            f"The models could not be used: {process.failure_reason(done.status, [done.stderr])}.",
            "Build the wheel again, and run the same command.",
        )
    rows: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))
    return rows


def _symptom(row: Mapping[str, Any]) -> str:
    if error := _ERROR.search(row["said"]):
        kind = re.sub(r"[\W\d]+", "-", error[error.lastindex or 0]).strip("-")
        return "memory" if kind in _MEMORY else kind
    return str(row["signal"] or ("memory" if row["megabytes"] > LARGE else ""))


def _place(said: str) -> str:
    """The first function of the runtime in the stack of a sanitizer's error."""
    for frame in _FRAME.finditer(said):
        source = frame["source"].removeprefix("./")
        if source[0] != "/" and "./" not in source:  # else it is of a library, as of libc
            function = frame["function"].replace("(anonymous namespace)::", "").split("(")[0]
            return f"{function} {source}:{frame['line']}"
    return ""


def _finding(
    runtime: _Runtime, work: Path, mutant: Mutant, row: Mapping[str, Any]
) -> Finding | None:
    if not (symptom := _symptom(row)):
        return None
    least = mutant
    if symptom != "SIGALRM":
        least = _least(mutant, lambda each: _same(_use(runtime, work, [each])[0], row))
    kernel = _kernels(least.content)
    return Finding(least, row["stage"], symptom, kernel, _place(row["said"]), row["said"])


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one["stage"] == other["stage"] and _symptom(one) == _symptom(other)


def _least(mutant: Mutant, still: Callable[[Mutant], bool]) -> Mutant:
    """The mutant with as few of its first operators as show the same."""
    try:
        whole = schema.ModelT.InitFromPackedBuf(mutant.content)
        count = len(whole.subgraphs[0].operators)
    except Exception:
        return mutant
    low, high, least = 0, count, mutant
    while high - low > 1:
        middle = (low + high) // 2
        shorter = _cut(mutant, middle)
        if shorter and still(shorter):
            high, least = middle, shorter
        else:
            low = middle
    return least


def _cut(mutant: Mutant, count: int) -> Mutant | None:
    model = schema.ModelT.InitFromPackedBuf(mutant.content)
    graph = model.subgraphs[0]
    graph.operators = graph.operators[:count]
    try:
        graph.outputs = list(graph.operators[-1].outputs)
        model.signatureDefs = None
        return replace(mutant, content=ModelWriter.serialise(model))
    except Exception:
        return None


def _kernels(content: bytes) -> str:
    """The last operator of the first subgraph, by its name in schema.fbs."""
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        last = model.subgraphs[0].operators[-1]
        code = model.operatorCodes[last.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
        return str(names.get(number, number))
    except Exception:
        return "unknown"


def _keep(finding: Finding, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    mutant = finding.mutant
    name = f"{finding.stage}-{finding.kernel}-{finding.signal}-{mutant.seed}"
    (folder / f"{name}.tflite").write_bytes(mutant.content)
    told = {"origin": mutant.origin, "mutator": mutant.mutator, **mutant.entry}
    (folder / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
    if finding.said:
        (folder / f"{name}.txt").write_text(finding.said, encoding="utf-8")


def _wrong_bytes(content: bytes, random: np.random.RandomState) -> bytes:
    data = bytearray(content)
    # Most bytes of a large model are weights; the tables are at the ends.
    places = [*range(min(len(data), 4000)), *range(max(len(data) - 4000, 0), len(data))]
    for _ in range(1 + random.randint(4)):
        place = places[random.randint(len(places))]
        kind = random.randint(4)
        if kind == 0:
            data[place] ^= 1 << random.randint(8)
        elif kind == 1:
            data[place] = random.randint(256)
        elif kind == 2:
            place -= place % 4
            value = np.int64(random.choice(_INTEGERS)).astype(np.int32).tobytes()
            data[place : place + 4] = value[: len(data) - place]
        else:
            place -= place % 4
            other = places[random.randint(len(places))] // 4 * 4
            data[place : place + 4] = data[other : other + 4]
    return bytes(data)


def _wrong_fields(content: bytes, random: np.random.RandomState) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(content)
    for _ in range(1 + random.randint(3)):
        _change(model, random)
    try:
        return ModelWriter.serialise(model)
    except Exception:  # what the schema cannot say; the right model is used as it is
        return content


def _change(model: Any, random: np.random.RandomState) -> None:
    """Change a field somewhere: a number, a flag, a list's length, or whether a table is there."""
    buffers = [each for each in model.buffers or () if _length(each.data)]
    if buffers and not random.randint(4):
        _change_buffer(buffers[random.randint(len(buffers))], random)
        return
    every = [each for each in _tables(model) if vars(each) and not isinstance(each, schema.BufferT)]
    likely = [each for each in every if not isinstance(each, _RARE)]
    tables = likely if likely and random.randint(4) else every
    table = tables[random.randint(len(tables))]
    names = list(vars(table))
    if isinstance(table, schema.TensorT) and random.randint(4):
        names = ["shape", "type"]
    elif isinstance(table, schema.OperatorT) and random.randint(4):
        names = ["inputs", "outputs"]
    name = names[random.randint(len(names))]
    if name == "shape" and random.randint(2):
        table.shape = list(_SHAPES[random.randint(len(_SHAPES))])
    elif name == "type" and random.randint(2):
        table.type = int(random.randint(20))
    else:
        setattr(table, name, _other(getattr(table, name), random))


def _change_buffer(buffer: Any, random: np.random.RandomState) -> None:
    data = np.array(buffer.data, np.uint8)
    if data.size >= 4 and random.randint(4):
        words = data[: data.size // 4 * 4].view(np.int32)
        words[random.randint(min(words.size, 64))] = random.choice(_INTEGERS)
    else:
        data = data[: random.randint(data.size)]
    buffer.data = data


def _length(value: Any) -> int:
    return 0 if value is None else len(value)


def _tables(value: Any) -> Iterator[Any]:
    """All tables below one, and itself."""
    if isinstance(value, list):
        for each in value:
            yield from _tables(each)
    elif type(value).__module__ == schema.__name__:
        yield value
        for each in vars(value).values():
            yield from _tables(each)


def _other(value: Any, random: np.random.RandomState) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return int(random.choice([*_INTEGERS, value + 1, value - 1]))
    if isinstance(value, float):
        return float(random.choice([0.0, -1.0, 1e30, np.inf, np.nan]))
    if isinstance(value, list) and value:
        return _other_list(value, random)
    if value is None:
        return [int(random.choice(_INTEGERS))] if random.randint(2) else None
    return None


def _other_list(value: list[Any], random: np.random.RandomState) -> Any:
    changed, place = list(value), random.randint(len(value))
    kind = random.randint(5)
    if kind == 0:
        return None
    if kind == 1:
        del changed[place]
    elif kind == 2:
        changed.insert(place, copy.deepcopy(changed[random.randint(len(value))]))
    elif isinstance(changed[place], int | float):
        changed[place] = _other(changed[place], random)
    else:
        changed[place] = copy.deepcopy(changed[random.randint(len(value))])
    return changed


def _same_model(content: bytes, random: np.random.RandomState) -> bytes:
    return content


_MUTATORS: Mapping[str, Callable[[bytes, np.random.RandomState], bytes]] = {
    "bytes": _wrong_bytes,
    "schema": _wrong_fields,
    "integers": _same_model,
}
