"""Inputs that ended the process, or made kernels read or write foreign memory, on this machine."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.emulated.hostile_cases import CASES, NEWEST_CASES, Case
from tests.support.running import Cli
from wheelhouse.common import process
from wheelhouse.sources import releases
from wheelhouse.specimens.kernels import Kernel, specimen
from wheelhouse.verify import fuzz

DEFAULT, NEWEST = (each.version for each in releases.all_releases())

USE = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from tflite_runtime.interpreter import Interpreter, OpResolverType

kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
options = {"num_threads": int(sys.argv[3])}
if sys.argv[2] == "kernels":
    options["experimental_op_resolver_type"] = kernels
values = np.load("inputs.npz", allow_pickle=True)
try:
    interpreter = Interpreter("model.tflite", **options)
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    if sys.argv[4] == "first":
        interpreter.invoke()
    for item in inputs:
        interpreter.resize_tensor_input(item["index"], values[item["name"]].shape)
    interpreter.allocate_tensors()
    for item in inputs:
        interpreter.set_tensor(item["index"], values[item["name"]])
    interpreter.invoke()
except (RuntimeError, ValueError) as error:
    print("refused:", error)
else:
    np.save("result.npy", interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    print("done")
"""


@pytest.fixture(scope="module")
def sites(pc: Path, cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each release the folder of its package for PCs."""
    built = cli("build", "--arch", "x86_64", "--tflite", NEWEST)
    assert built.status == 0, built.stderr
    found = {}
    for release, wheel in ((DEFAULT, pc), (NEWEST, Path(built.stdout.strip()))):
        found[release] = tmp_path_factory.mktemp("site")
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(found[release])
    return found


@pytest.mark.parametrize(
    ("release", "case"),
    [
        *(pytest.param(DEFAULT, case, id=f"{DEFAULT}-{case.label}") for case in CASES),
        *(
            pytest.param(NEWEST, case, id=f"{NEWEST}-{case.label}")
            for case in (*CASES, *NEWEST_CASES)
        ),
    ],
)
def test_hostile_inputs(release: str, case: Case, sites: dict[str, Path], tmp_path: Path) -> None:
    assert outcome(case, sites[release], tmp_path) == "as it must be"


def outcome(case: Case, site: Path, work: Path) -> str:
    """What becomes of a process that uses the model, in words."""
    if isinstance(case.kernel, Kernel):
        (name,) = case.kernel.names
        content = specimen(case.label, name, case.kernel, constant=case.constant).content
    else:
        content = case.kernel()
    (work / "model.tflite").write_bytes(content)
    np.savez(work / "inputs.npz", **{f"x{place}": each for place, each in enumerate(case.given)})
    resolver = "delegate" if case.delegate else "kernels"
    words = [resolver, str(case.threads), "first" if case.first else "once"]
    command: list[str | Path] = [sys.executable, "-I", "-B", "-c", USE, site, *words]
    done = process.run(command, cwd=work, env=fuzz.CHECKS, timeout=60)
    if done.status:
        return f"ended with {done.status}: {done.stderr}"
    if done.stdout.startswith("refused"):
        return "as it must be" if case.result is None else done.stdout
    if case.result is None:
        return "not refused"
    got = np.load(work / "result.npy")
    return "as it must be" if np.array_equal(got, case.result) else f"wrong values: {got}"
