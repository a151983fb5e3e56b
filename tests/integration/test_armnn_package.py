"""The delegate's Python package, loaded by a real runtime into a library that tells its options."""

from __future__ import annotations

import ast
import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.compiler import environment
from wheelhouse.compile.toolchain import ZIG

PACKAGE = "tflite_armnn_delegate"
SOURCE = Path(__file__).parents[2] / "native" / PACKAGE
LIBRARY = r"""
#include <stdio.h>
void *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                    void (*report)(const char *)) {
  char line[200];
  for (size_t i = 0; i < count; i++) {
    snprintf(line, sizeof line, "%s=%s\n", keys[i], values[i]);
    report(line);
  }
  return NULL;
}
void tflite_plugin_destroy_delegate(void *delegate) {}
"""
DEFAULTS = {
    "reduce-fp32-to-fp16": "0",
    "enable-fast-math": "0",
    "enable-internal-profiling": "0",
}


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages that holds the delegate's, with another library."""
    folder = tmp_path_factory.mktemp("site-packages")
    shutil.copytree(SOURCE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"{PACKAGE}-23.8.dist-info").mkdir()
    (folder / "library.c").write_text(LIBRARY)
    command: list[str | Path] = [
        ZIG,
        "cc",
        "-target",
        "x86_64-linux-gnu.2.17",
        "-shared",
        "-fPIC",
        "library.c",
        "-o",
        f"{PACKAGE}/libarmnnDelegate.so",
    ]
    subprocess.run(command, cwd=folder, check=True, env=environment())
    return folder


@pytest.fixture
def armnn(installed: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(installed)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    return importlib.import_module(PACKAGE)


def told(armnn: ModuleType, **options: object) -> dict[str, str]:
    """What the library is told when the delegate is loaded with these options."""
    with pytest.raises(ValueError, match="Failed to load delegate") as refusal:
        armnn.load(**options)
    lines = str(refusal.value).splitlines()[1:]
    return dict(line.split("=") for line in lines)


def test_the_defaults_leave_backends_and_log_to_the_library(armnn: ModuleType) -> None:
    seen = told(armnn)
    assert 1 <= int(seen.pop("number-of-threads")) <= armnn.MAX_THREADS
    assert seen == DEFAULTS


def test_every_option_reaches_the_library(armnn: ModuleType) -> None:
    seen = told(
        armnn,
        backends=["CpuAcc", "CpuRef"],
        num_threads=3,
        reduce_fp32_to_fp16=True,
        fast_math=True,
        profiling=True,
        log_level="warning",
    )
    assert seen == {
        "backends": "CpuAcc,CpuRef",
        "number-of-threads": "3",
        "reduce-fp32-to-fp16": "1",
        "enable-fast-math": "1",
        "enable-internal-profiling": "1",
        "logging-severity": "warning",
    }


def test_backends_may_be_one_text(armnn: ModuleType) -> None:
    assert told(armnn, backends="CpuRef,CpuAcc")["backends"] == "CpuRef,CpuAcc"


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"num_thread": 4}, TypeError, ["num_threads", "backends", "log_level"]),
        ({"backends": "CpuFast"}, ValueError, ["CpuAcc", "CpuRef"]),
        ({"backends": []}, ValueError, ["CpuAcc", "CpuRef"]),
        ({"num_threads": 0}, ValueError, ["1 to 64"]),
        ({"num_threads": 65}, ValueError, ["1 to 64"]),
        ({"num_threads": "4"}, TypeError, ["num_threads", "int"]),
        ({"num_threads": True}, TypeError, ["num_threads", "int"]),
        ({"fast_math": "no"}, TypeError, ["fast_math", "True or False"]),
        ({"log_level": "loud"}, ValueError, ["trace", "warning", "fatal"]),
    ],
)
def test_a_bad_option_is_refused_by_naming_the_valid_ones(
    armnn: ModuleType, options: dict[str, Any], error: type[Exception], named: list[str]
) -> None:
    with pytest.raises(error) as refusal:
        armnn.load(**options)
    assert "Failed to load" not in str(refusal.value)
    assert all(word in str(refusal.value) for word in named)


def test_without_a_runtime_both_are_named(
    armnn: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tflite_runtime", "ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"tflite-runtime.*ai-edge-litert"):
        armnn.load()


def test_it_knows_where_it_is_and_which_version(armnn: ModuleType, installed: Path) -> None:
    assert Path(armnn.path()) == installed / PACKAGE / "libarmnnDelegate.so"
    assert armnn.__version__ == "23.8"


def test_it_is_written_in_the_oldest_python_that_it_is_for() -> None:
    ast.parse((SOURCE / "__init__.py").read_text(), feature_version=(3, 7))
