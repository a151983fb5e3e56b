"""Particular to 32-bit Raspberry Pi OS: how pip finds its wheel, and what it is tried as."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.emulated import behaviour_expected as expected
from tests.emulated.following import URL, Reader, emulable
from tests.emulated.transcripts import at_path, brief, bring_guest, differences, record
from tests.support.running import Cli
from tests.support.wheels import make_site
from wheelhouse import record as records
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.targets.architectures import architecture

DIFFERENT = {
    "load_delegate_fails.missing_symbol.message": "a path has the processor's name",
    "run_mobilenets.float32.sha256": "sums are rounded in another order",
    **dict.fromkeys(
        (
            *("wrong_types.l.message", "wrong_types.L.message", "scalars.int.message"),
            *("strings.numbers.message", "resize_natively.list", "resize_natively.int64.message"),
            *("resize_natively.uint32.message", "integers_of_one_size.l.array"),
            "integers_of_one_size.L.array",
        ),
        "C's long, and so NumPy's usual integer, has 32 bits",
    ),
}
"""Results that are others than on 64 bits, and why."""

SYSTEMS = [each for each in systems.table().systems if each.processor == "armv7l"]


@pytest.fixture(scope="module")
def srv(arm32: Path, universal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server holds: the index of wheels for both userlands."""
    folder, found = tmp_path_factory.mktemp("srv"), tmp_path_factory.mktemp("wheels")
    for path in (arm32, universal):
        for each in (path, records.path_for(path)):
            shutil.copyfile(each, found / each.name)
    settings = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
    make_site([found], settings, Place(site=f"{URL}/site/"), folder / "site")
    return folder


@pytest.mark.parametrize("kernel", ["linux-armv7l", "linux-aarch64"])
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda each: each.suite)
def test_pip_takes_the_wheel_for_its_own_userland_whatever_the_kernel(
    system: systems.System, kernel: str, arm32: Path, srv: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    """Python's platform has the kernel's processor in it, which is 64-bit on a Raspberry Pi 5."""
    bring_guest(tmp_path)
    done = Reader(system, fetcher, srv, tmp_path).run(
        *("python3", "-m", "guest.hosting_pip", "download", "--no-deps", "--dest", "got"),
        *("--index-url", f"{URL}/site/simple/", "tflite-runtime"),
        _PYTHON_HOST_PLATFORM=kernel,
    )
    assert done.status == 0, done.stderr
    assert [path.name for path in (tmp_path / "got").iterdir()] == [arm32.name]


@pytest.mark.parametrize("system", SYSTEMS[:2], ids=lambda each: each.suite)
def test_the_front_page_s_commands_for_32_bits_work(
    system: systems.System, srv: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    """All but the first, for apt's packages are in the tree already."""
    bring_guest(tmp_path)
    page = BeautifulSoup((srv / "site/index.html").read_text(), "html.parser")
    first, *found = [line.get_text() for line in page.select(f".for-{system.suite}.on-32 .command")]
    assert first.startswith("sudo apt install python3-")
    reader = Reader(system, fetcher, srv, tmp_path)
    ran = [reader.run(*emulable(shlex.split(line))) for line in found]
    assert [done.status for done in ran] == [0] * len(ran), ran
    assert ran[-1].stdout == "2.14.1\n"


def test_it_behaves_like_the_wheel_for_64_bits(
    arm32: Path, universal: Path, fetcher: Fetcher
) -> None:
    one = record("behaviour", universal, "bookworm", fetcher)
    other = record("behaviour", arm32, "32-bit Raspberry Pi OS 12", fetcher)
    assert {line.partition(": ")[0] for line in differences(one, other)} == {*DIFFERENT}


@pytest.mark.usefixtures("arm32")
def test_the_newest_release_behaves_as_promised(cli: Cli, fetcher: Fetcher) -> None:
    done = cli("build", "--tflite", "2.22", "--arch", "armv7l")
    assert done.status == 0, done.stderr
    (path,) = map(Path, done.stdout.splitlines())
    cases = record("behaviour", path, "32-bit Raspberry Pi OS 12", fetcher)["cases"]
    promised = expected.on(architecture("armv7l"), expected.NEWEST)
    assert {path: brief(at_path(cases, path)) for path in promised} == promised


def test_its_record_tells_what_the_emulator_can_do_and_the_board_cannot(arm32: Path) -> None:
    trials = records.read(records.path_for(arm32).read_bytes()).trials
    beyond = {trial.board: {*trial.beyond} for trial in trials}
    assert beyond["Raspberry Pi 2"] == set()
    assert "asimddp" in beyond["32-bit Raspberry Pi 4"]
    assert "asimddp" not in beyond["32-bit Raspberry Pi 5"]
    assert "i8mm" in beyond["32-bit Raspberry Pi 5"]


def test_a_wheel_that_is_named_as_for_another_processor_is_not_tried(
    arm32: Path, cli: Cli, tmp_path: Path
) -> None:
    wrong = tmp_path / arm32.name.replace("armv7l", "aarch64")
    shutil.copyfile(arm32, wrong)
    done = cli("verify", "--wheel", str(wrong))
    assert done.status != 0
    assert "is named as for aarch64" in done.stderr
    assert [*tmp_path.iterdir()] == [wrong]


def test_the_arm_nn_delegate_is_refused(cli: Cli) -> None:
    done = cli("build", "--arch", "armv7l", "--armnn")
    assert done.status != 0
    assert "The Arm NN delegate is for aarch64 alone." in done.stderr
