"""From the command line to wheels in ``wheels/``, and what may happen on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from tests.emulated.conftest import NO_NETWORK, each_wheel
from wheelhouse.common.errors import Kind
from wheelhouse.common.process import Completed
from wheelhouse.common.store import file_digest
from wheelhouse.package import products
from wheelhouse.record import Demand, vouch
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems
from wheelhouse.verify.expected import expected

Cli = Callable[..., Completed]
Cache = Callable[..., Path]

PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
TARGETS = {target.tag: target for target in matrix.choose("all")}


@each_wheel
def test_the_wheel_has_the_promised_name_and_size(wheel: Path, tag: str) -> None:
    assert wheel.name == f"tflite_runtime-2.14.1-{tag}-{TARGETS[tag].abi}-{PLATFORM}.whl"
    assert wheel.stat().st_size <= 2_000_000


@each_wheel
def test_auditwheel_agrees_with_the_name(wheel: Path, tag: str) -> None:
    command = [sys.executable, "-m", "auditwheel", "show", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"manylinux_2_17_aarch64"' in done.stdout.replace("\n", " ")


@each_wheel
def test_the_package_is_laid_out_like_the_official_one_and_typed(
    wheel: Path, fetcher: Fetcher, tag: str
) -> None:
    def package(path: Path) -> set[str]:
        names = zipfile.ZipFile(path).namelist()
        return {name for name in names if name.startswith("tflite_runtime/")}

    official = package(fetcher.file(pins.shared("tflite-runtime")))
    modules = {*official, "tflite_runtime/xnnpack.py"}
    stubs = {str(PurePosixPath(name).with_suffix(".pyi")) for name in modules}
    assert package(wheel) == {*modules, *stubs, "tflite_runtime/py.typed"}


@each_wheel
def test_no_path_of_this_machine_is_in_the_wheel(wheel: Path, tag: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert str(Path.home()).encode() + b"/" not in content
    assert b".cache/" not in content


@each_wheel
def test_the_record_tells_what_was_tried(wheel: Path, tag: str) -> None:
    record = vouch(wheel, Demand.TODAY, expected).record
    assert record.engine == "host"
    tried = [(trial.system, trial.board) for trial in record.trials]
    names = [systems.system(name).name for name in TARGETS[tag].systems]
    if TARGETS[tag].abi3:
        every = systems.table().systems
        assert names == [each.name for each in every if each.processor == "aarch64"]
    assert tried == [(name, board) for name in names for board in matrix.targets()[0].boards * 2]
    assert len({(trial.system, trial.numpy) for trial in record.trials}) == 2 * len(names)


def test_a_second_build_changes_nothing(wheels: dict[str, Path], cli: Cli) -> None:
    before = {path: path.stat().st_mtime_ns for path in wheels.values()}
    done = cli("build", "--py", "all")
    assert done.status == 0
    assert {path: path.stat().st_mtime_ns for path in wheels.values()} == before
    *said, last = done.stderr.splitlines()
    assert said[: len(wheels)] == [f"{path.name} is verified" for path in wheels.values()]
    for line, path in zip(said[len(wheels) :], wheels.values(), strict=True):
        checks = sum(
            len(trial.checks) for trial in vouch(path, Demand.TODAY, expected).record.trials
        )
        size = f"{path.stat().st_size / 1e6:.2f} MB"
        assert line.startswith(f"{path.name}: {size}, {checks:,} checks passed on ")
    assert re.fullmatch(r"Done in \d+ s\. Next: copy .* `\./inv index`\.", last)


def test_the_wheel_without_xnnpack_says_so(plain_wheel: Path) -> None:
    assert plain_wheel.name == f"tflite_runtime-2.14.1+noxnnpack-cp311-cp311-{PLATFORM}.whl"
    record = json.loads(plain_wheel.with_name(f"{plain_wheel.name}.verified.json").read_text())
    assert all(check["passed"] for trial in record["trials"] for check in trial["checks"])


def test_a_wheel_whose_xnnpack_drops_out_does_not_pass(
    wheels: dict[str, Path], plain_wheel: Path, tmp_path: Path, cli: Cli
) -> None:
    """Give the wheel the module without XNNPACK: all runs and all but nothing is delegated."""
    forged = tmp_path / wheels["cp311"].name
    with (
        zipfile.ZipFile(wheels["cp311"]) as right,
        zipfile.ZipFile(plain_wheel) as plain,
        zipfile.ZipFile(forged, "w") as mixed,
    ):
        for name in right.namelist():
            source = plain if name.endswith(".so") else right
            mixed.writestr(name, source.read(name))
    done = cli("verify", "--wheel", str(forged))
    assert done.status == Kind.VERIFICATION
    assert "XNNPACK is announced" in done.stderr
    assert "mobilenet-0.25-96-int8 uses XNNPACK as built" in done.stderr
    assert not forged.with_name(f"{forged.name}.verified.json").exists()


@pytest.mark.parametrize(
    "name",
    [
        "tflite_runtime-2.14.1-cp38-cp38-linux_aarch64",
        "tflite_runtime-2.14.0-cp37-abi3-linux_aarch64",
        "odd",
    ],
)
def test_a_wheel_that_is_not_ours_is_refused(name: str, tmp_path: Path, cli: Cli) -> None:
    alien = tmp_path / f"{name}.whl"
    alien.write_bytes(b"")
    done = cli("verify", "--wheel", str(alien))
    assert done.status == Kind.USAGE
    assert "is for no CPython of the matrix" in done.stderr


@pytest.mark.usefixtures("wheels")
def test_a_killed_build_goes_on(cache: Cache, project: Path) -> None:
    root = cache("files", "trees", "toolchains", "cxx")
    first = _killed_after(project, root, steps=30)
    assert not list((root / "cores").glob("*[0-9a-f]"))
    again = _killed_after(project, root, steps=3)
    assert not (project / "wheels").exists()
    assert again["total"] <= first["total"] - 30 + 4


def _killed_after(project: Path, root: Path, *, steps: int) -> dict[str, int]:
    """Kill a build, and all its processes, once so many steps are done; the last step's numbers."""
    for log in (root / "logs").glob("tflite-*"):
        log.unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "invoke", "build", "--no-verify"],
        cwd=project,
        env={**os.environ, "WHEELHOUSE_CACHE": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            text = "".join(log.read_text() for log in (root / "logs").glob("tflite-*"))
            seen = re.findall(r"^\[(\d+)/(\d+)\]", text, re.MULTILINE)
            if seen and int(seen[-1][0]) >= steps:
                return {"done": int(seen[-1][0]), "total": int(seen[-1][1])}
            time.sleep(0.2)
        pytest.fail(f"the build ended by itself with {process.returncode}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_two_builds_at_once_share_the_work(
    wheels: dict[str, Path], cache: Cache, project: Path
) -> None:
    root = cache("files", "trees", "toolchains", "cxx", "cores")
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "invoke", "build", "--py", "3.13", "--no-verify"],
            cwd=project,
            env={**os.environ, "WHEELHOUSE_CACHE": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ends = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert [out.strip() for out, _ in ends] == [str(project / "wheels" / wheels["cp313"].name)] * 2
    waited = ["waiting for it" in err for _, err in ends]
    assert sorted(waited) == [False, True]
    assert len(list((root / "wheels").glob("*.sha256"))) == 1


def test_a_build_without_a_network_from_a_carried_folder_is_the_same(
    wheels: dict[str, Path],
    cache: Cache,
    cli: Cli,
    project: Path,
    tmp_path: Path,
) -> None:
    """From an exported folder, with an empty cache but for the compiled core."""
    carried = tmp_path / "carried"
    assert cli("sources", "--export", str(carried)).status == 0
    done = cli(
        *("build", "--py", "3.9", "--sources", str(carried), "--no-verify"),
        through=NO_NETWORK,
        cwd=project,
        WHEELHOUSE_CACHE=str(cache("cores")),
    )
    assert done.status == 0, done.stderr
    assert file_digest(Path(done.stdout.strip())) == file_digest(wheels["cp39"])
    assert list((carried / "python").glob("ziglang-*.whl"))


@pytest.mark.usefixtures("wheels")
def test_offline_says_what_is_missing_and_works_once_it_is_here(
    cache: Cache,
    cli: Cli,
    project: Path,
    tmp_path: Path,
) -> None:
    empty = str(tmp_path / "empty")
    build = ("build", "--py", "3.14", "--offline")
    refused = cli(*build, "--no-verify", through=NO_NETWORK, cwd=project, WHEELHOUSE_CACHE=empty)
    assert refused.status == Kind.FETCH
    assert "`invoke sources`" in refused.stderr
    root = cache("files", "trees", "toolchains", "cxx", "cores")
    done = cli(*build, through=NO_NETWORK, cwd=project, WHEELHOUSE_CACHE=str(root))
    assert done.status == 0, done.stderr
    assert "not verified" in done.stderr
    assert list((root / "wheels").glob("*cp314*"))


@each_wheel
def test_a_target_is_found_by_its_wheel(wheel: Path, tag: str) -> None:
    assert products.matching(wheel).tag == f"{tag}-{TARGETS[tag].abi}"


def test_without_a_version_the_universal_wheel_is_built(wheels: dict[str, Path], cli: Cli) -> None:
    done = cli("build", "--offline", "--no-verify")
    assert done.stdout.split() == [str(wheels["cp37"])]


def test_abi3audit_agrees_with_the_name(universal: Path) -> None:
    command = [sys.executable, "-m", "abi3audit", "--strict", "--report", str(universal)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (report,) = json.loads(done.stdout)["specs"].values()
    (entry,) = report["wheel"]
    assert entry["result"]["is_abi3_baseline_compatible"]
    assert entry["result"]["baseline"] == "3.7"


@pytest.mark.parametrize("python", [f"3.{minor}" for minor in range(7, 17)])
def test_pip_takes_the_universal_wheel_for_every_cpython(
    universal: Path, tmp_path: Path, python: str
) -> None:
    """A real pip, asked on behalf of a Raspberry Pi with that CPython."""
    (tmp_path / universal.name).symlink_to(universal)
    asked = ("--platform", "manylinux2014_aarch64", "--python-version", python)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "tflite-runtime", "--no-deps"),
            *("--no-index", "--find-links", tmp_path, "--only-binary", ":all:", *asked),
            *("--implementation", "cp", "--dest", tmp_path / "got"),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "got").iterdir()] == [universal.name]
