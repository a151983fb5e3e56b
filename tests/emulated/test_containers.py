"""What the Docker engine builds and verifies, against what this machine does."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from docker import DockerClient

from tests.support import checkouts
from wheelhouse.common.errors import Kind
from wheelhouse.common.process import Completed
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store, file_digest
from wheelhouse.package import products
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.record import read_trial
from wheelhouse.sources import releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix
from wheelhouse.verify import delegate_trials, session

Cli = Callable[..., Completed]
Digests = dict[str, str]

OTHERS = {
    "WHEELHOUSE_SHARED_CACHE": "redis://there.invalid",
    "WHEELHOUSE_DISTRIBUTED": "http://token@there.invalid",
}
"""Other machines, whose names nobody looks up."""


@pytest.fixture(scope="module")
def contained(cli: Cli, engine: DockerClient, wheels: dict[str, Path]) -> tuple[Digests, Digests]:
    """Every wheel's SHA-256 as built by this machine and as built in a container."""
    on_host = {tag: file_digest(path) for tag, path in wheels.items()}
    words = ("build", "--py", "all", "--engine", "docker", "--no-verify")
    done = cli(*words, **OTHERS)
    assert done.status == 0, done.stderr
    built = "Building in a container" in done.stderr
    for name in OTHERS:
        assert (f"no network: {name} is not used" in done.stderr) == built
    paths = [Path(line) for line in done.stdout.splitlines()]
    return on_host, {path.name.split("-")[2]: file_digest(path) for path in paths}


def test_a_container_builds_the_same_bytes_as_this_machine(
    contained: tuple[Digests, Digests],
) -> None:
    on_host, in_container = contained
    assert in_container == on_host


@pytest.mark.usefixtures("engine")
def test_a_container_builds_the_same_bytes_for_32_bits_and_tries_them(
    cli: Cli, arm32: Path
) -> None:
    on_host = file_digest(arm32)
    done = cli("build", "--arch", "armv7l", "--engine", "docker")
    assert done.status == 0, done.stderr
    assert [file_digest(Path(line)) for line in done.stdout.splitlines()] == [on_host]
    found = json.loads(Path(f"{arm32}.verified.json").read_text())
    assert (found["engine"], found["sha256"]) == ("docker", on_host)
    assert {trial["system"] for trial in found["trials"]} == {
        system.name for system in products.systems_of(arm32)
    }
    assert cli("verify", "--wheel", str(arm32)).status == 0  # the record of sandboxes again


def test_a_wheel_passes_in_containers_what_it_passes_in_sandboxes(
    cli: Cli, engine: DockerClient, wheels: dict[str, Path]
) -> None:
    wheel = wheels["cp37"]
    record = Path(f"{wheel}.verified.json")
    trials = []
    for name in ("host", "docker"):
        done = cli("verify", "--engine", name, "--wheel", str(wheel))
        assert done.status == 0, done.stderr
        found = json.loads(record.read_text())
        assert (found["engine"], found["sha256"]) == (name, file_digest(wheel))
        trials.append(
            [
                (trial["system"], trial["board"], trial["numpy"], check["name"], check["passed"])
                for trial in found["trials"]
                for check in trial["checks"]
            ]
        )
    assert trials[0] == trials[1]
    names = {system.name for system in products.systems_of(wheel)}
    assert {system for system, *_ in trials[1]} == names
    assert cli("verify", "--wheel", str(wheel)).status == 0  # the record of sandboxes again


def test_a_delegate_passes_in_a_container(
    engine: DockerClient,
    fetcher: Fetcher,
    wheels: dict[str, Path],
    armnn_wheel: Path,
    tmp_path: Path,
) -> None:
    """On one system, as one board; the trial is not taken from the cache."""
    system = products.systems_of(armnn_wheel)[-1]
    (trial,) = delegate_trials.trials_on(
        armnn_wheel, [wheels["cp37"]], system, ["Raspberry Pi 5"], "docker"
    )
    fresh = replace(fetcher, store=Store(tmp_path))
    (tmp_path / "files").symlink_to(fetcher.store.root / "files")
    made = read_trial((get_or_make(trial, fresh) / session.TRIAL).read_bytes())
    assert made.system == system.name
    assert made.failed == ()
    assert "FP16 is used where the processor has it" in [check.name for check in made.checks]


def test_a_checkout_is_built_in_a_container(
    cli: Cli,
    engine: DockerClient,
    fetcher: Fetcher,
    newest: dict[str, Path],
    project: Path,
    cache: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Its module is the release's, for only its Python differs. The core is this machine's."""
    release = releases.known_versions()[-1]
    folder = checkouts.newest(fetcher, release, tmp_path / "tensorflow")
    notice = folder / "tensorflow/lite/python/interpreter.py"
    notice.write_text(notice.read_text() + "\nMINE = True\n")
    root = cache("files", "trees", "requirements")
    (target,) = matrix.choose("3.11")
    core = fetcher.store.path(RuntimeWheel(target, release, True).extension.core.step.entry)
    cores = root / "docker" / "cores"
    shutil.copytree(core, cores / core.name)
    shutil.copy2(fetcher.store.seal(core), cores)
    words = ("--tflite-source", str(folder), "--py", "3.11", "--engine", "docker", "--no-verify")
    done = cli("build", *words, cwd=project, WHEELHOUSE_CACHE=str(root))
    assert done.status == 0, done.stderr
    built = Path(done.stdout.strip())
    assert "+checkout-cp311-" in built.name
    with zipfile.ZipFile(built) as mine, zipfile.ZipFile(newest["cp311"]) as theirs:
        module = "tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so"
        assert mine.read(module) == theirs.read(module)
        assert b"MINE = True" in mine.read("tflite_runtime/interpreter.py")


class TestReproduce:
    @pytest.mark.parametrize("engine_name", ["host", "docker"])
    def test_an_untouched_wheel_is_what_this_checkout_builds(
        self,
        cli: Cli,
        engine: DockerClient,
        wheels: dict[str, Path],
        engine_name: str,
        tmp_path: Path,
    ) -> None:
        published = Path(shutil.copy(wheels["cp311"], tmp_path))
        done = cli("reproduce", str(published), "--engine", engine_name, **OTHERS)
        assert done.status == 0, done.stderr
        for name in OTHERS:
            assert f"{name} is not used" in done.stderr
        assert "does not answer" not in done.stderr
        assert file_digest(published) in done.stdout

    def test_a_changed_wheel_is_refused_with_what_differs(
        self, cli: Cli, wheels: dict[str, Path], tmp_path: Path
    ) -> None:
        published = tmp_path / wheels["cp311"].name
        with zipfile.ZipFile(wheels["cp311"]) as old, zipfile.ZipFile(published, "w") as new:
            for entry in old.infolist():
                content = old.read(entry)
                if entry.filename.endswith("/interpreter.py"):
                    content = content.replace(b"import os", b"import os; os.system('true')", 1)
                new.writestr(entry, content)
        done = cli("reproduce", str(published))
        assert done.status == Kind.VERIFICATION
        assert "is not what this checkout builds" in done.stderr
        assert "import os; os.system('true')" in done.stdout
        assert "tflite_runtime/interpreter.py" in done.stdout

    @pytest.mark.parametrize(
        "name", ["tflite_runtime-2.11.0-cp37-abi3-linux_aarch64.whl", "other-1-py3-none-any.whl"]
    )
    def test_what_this_checkout_does_not_build_is_named(
        self, cli: Cli, name: str, tmp_path: Path
    ) -> None:
        (tmp_path / name).touch()
        done = cli("reproduce", str(tmp_path / name))
        assert done.status == Kind.USAGE
        assert f"{name} is no wheel that this checkout builds." in done.stderr
