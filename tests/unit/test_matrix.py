from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.sources import releases
from wheelhouse.targets import matrix

ALL = " or ".join(target.python for target in matrix.choose("all"))
PROCESSORS = ("aarch64", "x86_64", "armv7l")
DEFAULT, NEWEST = releases.known_versions()


def chosen(words: str) -> list[str]:
    return [target.python for target in matrix.choose(words)]


def test_versions_are_chosen_by_name() -> None:
    assert chosen("3.11") == ["3.11"]
    assert chosen("3.13, 3.9,3.13") == ["3.13", "3.9"]
    assert chosen("all") == ["3.7", "3.9", "3.11", "3.13", "3.14"]


def test_a_version_is_chosen_on_each_processor_that_is_asked_for() -> None:
    found = [(each.python, each.processor) for each in matrix.choose("3.11, 3.9", PROCESSORS)]
    assert found == [(python, name) for python in ("3.11", "3.9") for name in PROCESSORS]
    assert {each.processor for each in matrix.choose("all")} == {"aarch64"}
    assert {each.processor for each in matrix.choose("all", ("x86_64",))} == {"x86_64"}
    assert matrix.choose("all", (*PROCESSORS, "aarch64-musl")) == matrix.targets()
    with pytest.raises(WheelhouseError, match=r"did you mean 3\.11 or 3\.13\?"):
        matrix.choose("3.12", PROCESSORS)


def test_a_processor_without_a_wheel_for_a_version_is_left_out_unless_it_is_alone() -> None:
    every = (*PROCESSORS, "aarch64-musl")
    assert matrix.choose("3.9", every) == matrix.choose("3.9", PROCESSORS)
    with pytest.raises(WheelhouseError, match=r"did you mean 3\.7\?"):
        matrix.choose("3.9", ("aarch64-musl",))


def test_a_target_knows_its_tag() -> None:
    assert [target.tag for target in matrix.choose("3.9,3.14")] == ["cp39", "cp314"]


@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_oldest_target_is_for_all_later_cpythons_too(processor: str) -> None:
    first, *rest = matrix.choose("all", (processor,))
    assert (first.tag, first.abi) == ("cp37", "abi3")
    assert all(target.abi == target.tag for target in rest)
    assert {name for target in rest for name in target.systems} <= set(first.systems)


def test_only_the_universal_wheel_is_compiled_against_other_headers() -> None:
    found = {target.python: target.headers for target in matrix.targets() if target.abi3}
    assert found == {"3.7": "3.13"}
    assert all(each.headers == each.python for each in matrix.targets() if not each.abi3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("3.12", "3.12 is not in the matrix; did you mean 3.11 or 3.13?"),
        ("3.9,3.12", "3.12 is not in the matrix; did you mean 3.11 or 3.13?"),
        ("2.7", "2.7 is not in the matrix; did you mean 3.7?"),
        ("4", "4 is not in the matrix; did you mean 3.14?"),
        ("banana", f"banana is not in the matrix; did you mean {ALL}?"),
        ("", f"An empty version is not in the matrix; did you mean {ALL}?"),
        (",", f", is not in the matrix; did you mean {ALL}?"),
    ],
)
def test_an_unknown_version_is_answered_with_its_neighbours(words: str, message: str) -> None:
    with pytest.raises(WheelhouseError) as failure:
        matrix.choose(words)
    assert failure.value.what == f"{message} (`invoke matrix` lists them)"
    assert failure.value.hint.endswith("CPython 3.7 and later share one wheel: --py 3.7.")


def test_a_release_is_known_by_its_beginning() -> None:
    versions = {word: releases.choose(word).version for word in ("", "2.14", "2.22", "2.22.0")}
    assert list(versions.values()) == [DEFAULT, DEFAULT, NEWEST, NEWEST]
    assert releases.choose(NEWEST) == releases.TfliteRelease(NEWEST)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("2", f"{DEFAULT} or {NEWEST}"),
        ("2.2", "2.14.1"),
        ("2.17", f"{DEFAULT} or {NEWEST}"),
        ("3", NEWEST),
        ("newest", f"{DEFAULT} or {NEWEST}"),
    ],
)
def test_an_unknown_release_is_answered_with_its_neighbours(word: str, near: str) -> None:
    with pytest.raises(WheelhouseError) as failure:
        releases.choose(word)
    assert failure.value.what == f"{word} names no single TFLite release; did you mean {near}?"


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("tf_version.bzl", '"""Text."""\nTF_VERSION = "2.22.0"\nMAJOR = 1\n', NEWEST),
        (
            "core/public/version.h",
            "#define TF_MAJOR_VERSION 2\n#define TF_MINOR_VERSION 14\n#define TF_PATCH_VERSION 1\n"
            '#define TF_VERSION_SUFFIX ""\n',
            "2.14.1",
        ),
    ],
)
def test_a_checkout_tells_its_release(tmp_path: Path, name: str, text: str, version: str) -> None:
    path = tmp_path / "tensorflow" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert releases.choose(checkout=str(tmp_path)) == releases.TfliteRelease(version, tmp_path)
    with pytest.raises(WheelhouseError) as failure:
        releases.choose("2.14" if version != "2.14.1" else "2.22", str(tmp_path))
    assert str(tmp_path) in failure.value.what
    path.write_text(text.replace("2", "3"))
    with pytest.raises(WheelhouseError, match="for which there are no patches here"):
        releases.choose(checkout=str(tmp_path))
