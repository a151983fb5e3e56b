"""Try whether a wrong model or a wrong input ends the process: make mutants and use them all.

There are four kinds, each a row of what `./inv fuzz` prints. ``mutants`` are right models changed
at random: bytes of the file, fields of its schema, or, when it runs, the integers and the shapes of
its inputs. ``operators`` are models of one operator with a wrong tensor or option, ``integers``
right ones of one operator with hostile inputs, ``tensors`` whole right ones. The same seed makes
the same ones.
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
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]

from wheelhouse.common import console, process
from wheelhouse.common.errors import WheelhouseError, require_known
from wheelhouse.common.root import ROOT
from wheelhouse.compile.toolchain import SANITIZERS
from wheelhouse.package import models_wheel
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models, table
from wheelhouse.specimens.flatbuffer import ModelWriter
from wheelhouse.specimens.kernels import Specimen, specimens
from wheelhouse.verify import runtime_trials

GUEST = ROOT / "wheelhouse" / "guest" / "fuzz.py"

LARGE = 1024
"""A process that used more megabytes is listed, as one that did not end is."""

CHECKS = {
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

_TIME = ("SIGXCPU", "SIGALRM")
"""The signals that end what takes too much of the processor's time, or sleeps for too long."""

_CHUNK = 250
_CHUNK_BYTES = 64 << 20
"""Mutants that one plan has, and their bytes: few enough that their files fit into memory."""

_SHARES = {"bytes": 0.25, "schema": 0.45, "integers": 0.3}
"""The part of the mutants that each mutator makes."""

_SHAPES = ((), (0,), (1,), (2, 3), (0, 3), (3, 0, 2), (1, 2, 3, 4), (1,) * 5, (2,) * 9, (1,) * 70)

_RARE = (
    *(schema.ModelT, schema.SubGraphT, schema.OperatorCodeT, schema.SignatureDefT),
    *(schema.TensorMapT, schema.QuantizationParametersT),
)
"""Tables whose fields are checked early, so that little behind them is tried if they are wrong."""

_BITS = {
    value: int((re.findall(r"\d+", name) or [8])[0])
    for name, value in vars(schema.TensorType).items()
    if not name.startswith("_")
}
"""The types of tensors, and the size of an element, which most of their names say."""

_WAYS = 4
"""How often each whole model is used: the seed decides the resolver, and whether tensors stay."""

_INTEGERS = (-1, -2, 0, 1, 2, 3, 4, 7, 8, 16, 127, 255, 1000, 65536, 2**30, 2**31 - 1, -(2**31))


@dataclass(frozen=True)
class Mutant:
    """A model to use, and how: ``seed`` and ``values`` as in the guest's plan."""

    origin: str
    mutator: str
    content: bytes
    seed: int
    values: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "mutants"

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
        return self.signal not in (*_TIME, "memory")


@dataclass(frozen=True)
class _Runtime:
    """The folder of the runtime's package, and the environment of processes that use it."""

    site: Path
    environment: Mapping[str, str]


def kinds(words: str) -> list[str]:
    """The names of :data:`KINDS` in a comma-separated list; all if it is empty.

    Raises WheelhouseError for an unknown one.
    """
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        require_known(name, list(KINDS), "kind of trials named", "--kind")
    return [name for name in KINDS if name in names or not names]


def drawn(chosen: Iterable[str], seed: int, count: int, fetcher: Fetcher) -> Iterator[Mutant]:
    """The first ``count`` of each kind, or all of it."""
    for kind in chosen:
        draw, right = KINDS[kind]
        yield from draw(seed, count, right(fetcher))


def origins(fetcher: Fetcher) -> list[Specimen]:
    """The right models: one for each kernel, the generated networks, and published ones."""
    return [*specimens(), *_published(fetcher)]


def networks(fetcher: Fetcher) -> list[Specimen]:
    """Whole right models: generated, published, the examples', and of published tables."""
    examples = models_wheel.files(fetcher).items()
    rows = (row for row in table.rows() if row.width == min(table.WIDTHS))
    return [
        *_published(fetcher),
        *(Specimen(name, content, {}) for name, content in examples),
        *(Specimen(row.name, row.model.content, {}) for row in rows),
    ]


def _published(fetcher: Fetcher) -> list[Specimen]:
    archives = {name: fetcher.file(pins.shared(name)) for name in runtime_trials.ARCHIVES}
    whole = [*models.generated(), *models.real_models(archives)]
    return [Specimen(each.name, each.content, {}) for each in whole]


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


def operators(seed: int, count: int, right: Sequence[Specimen]) -> Iterator[Mutant]:
    """Models whose last operator lacks an input, or has a wrong option, shape or type."""
    every = [(origin, change) for origin in right for change in _operator_changes(origin.content)]
    for number in np.random.RandomState([seed, 0]).permutation(len(every))[:count]:
        origin, change = every[number]
        model = schema.ModelT.InitFromPackedBuf(origin.content)
        change(model)
        content = _serialised(model, origin.content)
        yield _used(origin, content, [seed, int(number)], "schema", "operators")


def integers(seed: int, count: int, right: Sequence[Specimen]) -> Iterator[Mutant]:
    """Right models with hostile integers, in turn all whose integers decide what they do."""
    chosen = [
        each for each in right if any(value.dtype.kind in "iu" for value in each.inputs.values())
    ]
    for number in range(count):
        origin = chosen[number % len(chosen)]
        yield _used(origin, origin.content, [seed, number], "integers", "integers")


def tensors(seed: int, count: int, right: Sequence[Specimen]) -> Iterator[Mutant]:
    """Right models, whose tensors are all read, before they run and after it."""
    for number in range(min(count, _WAYS * len(right))):
        origin = right[number % len(right)]
        yield _used(origin, origin.content, [seed, number], "none", "tensors")


def _used(
    origin: Specimen, content: bytes, seeds: Sequence[int], mutator: str, kind: str
) -> Mutant:
    seed = int(np.random.RandomState(seeds).randint(2**31))
    values = {name: value.tolist() for name, value in origin.inputs.items()}
    return Mutant(origin.name, mutator, content, seed, values, kind)


KINDS: Mapping[
    str,
    tuple[
        Callable[[int, int, Sequence[Specimen]], Iterator[Mutant]],
        Callable[[Fetcher], Sequence[Specimen]],
    ],
] = {
    "mutants": (mutants, origins),
    "operators": (operators, lambda _: list(specimens())),
    "integers": (integers, lambda _: list(specimens())),
    "tensors": (tensors, networks),
}
"""What makes the trials of a kind, and of which right models."""


def _choice(random: np.random.RandomState, right: Sequence[Specimen]) -> int:
    """Large models are rarer: they take more time and have few kernels."""
    weights = np.array([1.0 if len(each.content) < 20_000 else 0.5 for each in right])
    return int(random.choice(len(right), p=weights / weights.sum()))


def run(wheel: Path, tried: Iterable[Mutant], keep: Path) -> tuple[Counter[str], list[Finding]]:
    """Use all mutants with a wheel; ``keep`` gets the files of those that are found.

    A folder with the package in it, in the wheel's place, is a build with sanitizers. Returns how
    many of each kind there were, and the findings.
    """
    found: list[Finding] = []
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        if wheel.is_dir():
            runtime = _Runtime(wheel, _SANITIZERS)
        else:
            runtime = _Runtime(Path(scratch, "site"), CHECKS)
            with zipfile.ZipFile(wheel) as opened:
                opened.extractall(runtime.site)
        for used, findings in _in_parallel(lambda chunk: _findings(runtime, chunk), tried):
            for finding in findings:
                found.append(finding)
                _keep(finding, keep)
            counts += used
            console.say(f"{counts.total()} tried: {len(found)} found.")
    return counts, found


def _in_parallel(
    use: Callable[[list[Mutant]], list[Finding]], tried: Iterable[Mutant]
) -> Iterator[tuple[Counter[str], list[Finding]]]:
    """The kinds and the findings of each chunk, in their order.

    As many are used at once as there are processors.
    """
    at_once = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(at_once) as pool:
        waiting: list[tuple[Counter[str], Future[list[Finding]]]] = []
        for chunk in _chunks(tried):
            if len(waiting) == at_once:
                used, future = waiting.pop(0)
                yield used, future.result()
            waiting.append((Counter(each.kind for each in chunk), pool.submit(use, chunk)))
        for used, future in waiting:
            yield used, future.result()


def _findings(runtime: _Runtime, chunk: Sequence[Mutant]) -> list[Finding]:
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        rows = _use(runtime, work, chunk)
        found = (_finding(runtime, work, *pair) for pair in zip(chunk, rows, strict=True))
        return [finding for finding in found if finding]


def summary(counts: Mapping[str, int], found: Sequence[Finding]) -> list[str]:
    """A row for each kind: how many were tried, and how many of them ended at which stage."""
    rows = []
    for kind, count in counts.items():
        ends = Counter(_end(each) for each in found if each.mutant.kind == kind)
        told = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
        rows.append(f"{kind:10}{count:7} tried: {told or 'nothing found'}")
    return rows


def _end(finding: Finding) -> str:
    if finding.dies:
        return f"died in {finding.stage}"
    return "took too long" if finding.signal in _TIME else "took too much memory"


def listing(found: Sequence[Finding]) -> list[str]:
    """The findings, counted by kind, stage, signal, kernel and place."""
    counts = Counter(
        (each.mutant.kind, each.stage, each.signal, each.kernel, each.place) for each in found
    )
    rows = sorted(counts.items(), key=lambda row: -row[1])
    return [
        f"{count:4} {kind:10} {stage:10} {signal:8} {kernel} {place}".rstrip()
        for (kind, stage, signal, kernel, place), count in rows
    ]


def judge(counts: Mapping[str, int], found: Sequence[Finding], keep: Path) -> None:
    """Raise WheelhouseError if more processes died than SECURITY.md lets.

    That is none, but one of 1,000 mutants in ``invoke()``.
    """
    dead = [each for each in found if each.dies]
    late = [each for each in dead if each.mutant.kind == "mutants" and each.stage == "invoke"]
    if len(dead) > len(late) or len(late) * 1000 > counts["mutants"]:
        raise WheelhouseError(
            f"{len(dead)} of {sum(counts.values())} trials end the process; "
            f"{len(late)} of them are mutants in invoke(), of which 1 in 1,000 may.",
            f"Run `./inv fuzz --again {keep}`, with the same options, after each correction.",
        )


def again(folder: Path) -> Iterator[Mutant]:
    """The mutants whose files a run kept."""
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        content = path.with_suffix(".tflite").read_bytes()
        named = {name: told[name] for name in ("origin", "mutator", "seed", "values", "kind")}
        yield Mutant(content=content, **named)


def _chunks(tried: Iterable[Mutant]) -> Iterator[list[Mutant]]:
    chunk: list[Mutant] = []
    for mutant in tried:
        chunk.append(mutant)
        if len(chunk) == _CHUNK or sum(len(each.content) for each in chunk) > _CHUNK_BYTES:
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
    if symptom not in _TIME:
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
    parts = (mutant.kind, finding.stage, finding.kernel, finding.signal, mutant.seed)
    name = "-".join(map(str, parts))
    (folder / f"{name}.tflite").write_bytes(mutant.content)
    named = {"kind": mutant.kind, "origin": mutant.origin, "mutator": mutant.mutator}
    told = {**named, **mutant.entry}
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
    return _serialised(model, content)


def _serialised(model: Any, right: bytes) -> bytes:
    """The model's file, or the right one's if the schema cannot say what the model is."""
    try:
        return ModelWriter.serialise(model)
    except Exception:
        return right


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


def _operator_changes(content: bytes) -> Iterator[Callable[[Any], None]]:
    """All that :func:`operators` changes in a model."""
    model = schema.ModelT.InitFromPackedBuf(content)
    graph = model.subgraphs[0]
    inputs = [int(each) for each in graph.operators[-1].inputs]
    outputs = [int(each) for each in graph.operators[-1].outputs]
    yield _leave_alone
    for place in range(len(inputs)):
        for left in ([-1], []):
            yield partial(_set_inputs, [*inputs[:place], *left, *inputs[place + 1 :]])
    tensors = list(dict.fromkeys(each for each in [*inputs, *outputs] if each >= 0))
    for tensor in tensors:
        constant = _length(model.buffers[graph.tensors[tensor].buffer].data) > 0
        for shape, fitting in product(_SHAPES, (False, True) if constant else (False,)):
            yield partial(_set_field, tensor, "shape", shape, fitting)
    for tensor, kind in product(tensors, _BITS):
        if kind != graph.tensors[tensor].type:
            yield partial(_set_field, tensor, "type", kind, True)
    yield from _option_changes(graph.operators[-1])


def _option_changes(operator: Any) -> Iterator[Callable[[Any], None]]:
    for place in ("builtinOptions", "builtinOptions2"):
        options = getattr(operator, place)
        for name, value in vars(options).items() if options else ():
            for number in _numbers(value):
                yield partial(_set_option, place, name, number)


def _leave_alone(model: Any) -> None:
    """Remove the operators before the last one, so that nothing makes what it takes of them."""
    del model.subgraphs[0].operators[:-1]


def _set_inputs(inputs: list[int], model: Any) -> None:
    model.subgraphs[0].operators[-1].inputs = inputs


def _set_field(tensor: int, name: str, value: Any, fitting: bool, model: Any) -> None:
    """Change a tensor's shape or type; with ``fitting`` a constant gets the size that it says."""
    changed = model.subgraphs[0].tensors[tensor]
    setattr(changed, name, value)
    buffer = model.buffers[changed.buffer]
    if fitting and _length(buffer.data):
        bits = int(np.prod(changed.shape)) * _BITS[changed.type]
        buffer.data = np.resize(np.array(buffer.data, np.uint8), (bits + 7) // 8)


def _set_option(place: str, name: str, value: float, model: Any) -> None:
    setattr(getattr(model.subgraphs[0].operators[-1], place), name, value)


def _numbers(value: Any) -> Sequence[float]:
    """What a number of an operator's options is tried with, as far as its type can store it."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [-7, -1, 0, 1, 2, 3, 7, 3000, 2**31 - 1]
    return [-1.0, 0.0, 1e30, np.nan] if isinstance(value, float) else []


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
