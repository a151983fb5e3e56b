"""The wheel for Alpine Linux on a system with musl, besides what verification tries."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emulated import behaviour_expected as expected
from tests.emulated import transcripts
from tests.emulated.transcripts import at_path, brief
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens.flatbuffer import ModelWriter
from wheelhouse.targets import systems
from wheelhouse.verify import session

ALPINE = systems.system("Alpine-like")
BOARD = systems.installer(ALPINE)
LAYERS, SIDE, CHANNELS = 150, 16, 16
THREADS = 8
REPORT = """
import numpy, platform, subprocess, sys
print(platform.machine(), "%d.%d" % sys.version_info[:2], numpy.ones(5).sum())
loader = "/lib/ld-musl-aarch64.so.1"
print(subprocess.run([loader], stderr=subprocess.PIPE, text=True).stderr.splitlines()[1])
"""
ABSENT = "OSError: Error loading shared library missing.so: No such file or directory"
WORDS = {
    "load_delegate_fails.missing": ABSENT,
    "load_delegate_fails.missing_path": ABSENT,
    "load_delegate_fails.missing_symbol": (
        "AttributeError: Symbol not found: tflite_plugin_create_delegate"
    ),
    "load_delegate_fails.no_destroy": (
        "AttributeError: Symbol not found: tflite_plugin_destroy_delegate"
    ),
}
"""What musl's loader says in words of its own."""

CHOOSE = """
import sys
from pip._internal.cli.main import main
options = ["--quiet", "--no-index", "--no-deps", "--find-links", "/wheels", "--target", "site"]
sys.exit(main(["install", *options, "tflite-runtime"]))
"""


def deep_model() -> bytes:
    """150 convolutions, one after the other, that keep the size of their input's values."""
    random, shape = np.random.RandomState(1), (1, SIDE, SIDE, CHANNELS)
    writer = ModelWriter("deep")
    first = current = writer.tensor("input", shape, "float32")
    for number in range(LAYERS):
        weights = random.normal(0, 1, (CHANNELS, 3, 3, CHANNELS)) * (2 / (9 * CHANNELS)) ** 0.5
        after = writer.tensor(f"layer{number}", shape, "float32")
        inputs = [
            current,
            writer.constant(f"weights{number}", weights.astype(np.float32)),
            writer.constant(f"bias{number}", np.full(CHANNELS, 0.01, np.float32)),
        ]
        writer.operator(
            "CONV_2D", 1, inputs, [after], strideW=1, strideH=1, fusedActivationFunction=1
        )
        current = after
    return writer.pack([first], [current])


def test_a_system_with_musl_starts_programs_and_knows_its_libc(
    tmp_path: Path, fetcher: Fetcher
) -> None:
    tree = rootfs.tree(ALPINE, fetcher.store)
    done = qemu.run(["python3.13", "-c", REPORT], tree=tree, board=BOARD, work=tmp_path)
    assert done.stdout == "aarch64 3.13 5.0\nVersion 1.2.5\n", done.stderr


def test_pip_chooses_the_wheel_for_musl(
    musl: Path, universal: Path, tmp_path: Path, fetcher: Fetcher
) -> None:
    binds = {path: f"/wheels/{path.name}" for path in (musl, universal)}
    tree = rootfs.tree(ALPINE, fetcher.store)
    done = qemu.run(
        ["python3.13", "-c", CHOOSE], tree=tree, board=BOARD, work=tmp_path, binds=binds
    )
    assert done.status == 0, done.stderr
    (info,) = (tmp_path / "site").glob("*.dist-info/WHEEL")
    assert "Tag: cp37-abi3-musllinux_1_2_aarch64\n" in info.read_text()


def test_a_systems_pip_refuses_the_wheel_of_the_other_libc(
    musl: Path, universal: Path, tmp_path: Path, fetcher: Fetcher
) -> None:
    for name, wheel, system in (
        ("musl", musl, systems.system("trixie")),
        ("glibc", universal, ALPINE),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(Exception, match="is not a supported wheel on this platform"):
            session.install(wheel, None, system, fetcher, tmp_path / name)


def test_threads_have_the_stack_of_glibc_and_compute_the_same(
    musl: Path, tmp_path: Path, fetcher: Fetcher
) -> None:
    session.install(musl, None, ALPINE, fetcher, tmp_path)
    transcripts.bring_guest(tmp_path)
    (tmp_path / "deep.tflite").write_bytes(deep_model())
    command = ["env/bin/python", "-m", "guest.stacks", "deep.tflite", "report.json"]
    tree = rootfs.tree(ALPINE, fetcher.store)
    done = qemu.run(command, tree=tree, board=BOARD, work=tmp_path)
    assert done.status == 0, done.stderr
    for name, seen in json.loads((tmp_path / "report.json").read_text()).items():
        assert (seen["same"], seen["some"]) == (True, True), name
        assert seen["stacks"] >= THREADS - 1, name


@pytest.fixture(scope="module")
def report(musl: Path, fetcher: Fetcher) -> dict[str, Any]:
    return transcripts.record("behaviour", musl, ALPINE.name, fetcher)


def test_the_behaviour_is_as_promised(report: dict[str, Any]) -> None:
    promised = expected.on(ALPINE.architecture, expected.RESULTS) | WORDS
    weights = dict(promised["weights_that_cannot_be_written"])
    text = json.dumps(weights).replace("Too many levels of symbolic links", "Symbolic link loop")
    promised["weights_that_cannot_be_written"] = json.loads(text)
    assert {path: brief(at_path(report["cases"], path)) for path in promised} == promised


def test_the_module_needs_musls_libc_alone(musl: Path) -> None:
    with zipfile.ZipFile(musl) as archive:
        (module,) = (name for name in archive.namelist() if name.endswith(".so"))
        content = archive.read(module)
    assert b"libc.musl-aarch64.so.1\0" in content
    assert b"GLIBC_" not in content
