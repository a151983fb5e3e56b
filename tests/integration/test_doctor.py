"""The task doctor: what it finds on machines that lack something."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.mirror import Mirror
from tests.support.running import Cli
from wheelhouse.common.errors import Kind

PURPOSES = ("building", "emulation", "containers", "publishing")


@pytest.fixture
def servers(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """A Debian mirror and a Python package index that answer."""
    mirror.files["dists/stable/Release"] = b"Codename: trixie"
    mirror.files["simple/pip/"] = b'<a href="pip-26.0-py3-none-any.whl">pip</a>'
    monkeypatch.setenv("PIP_INDEX_URL", f"{mirror.url}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    return mirror


def found(text: str, subject: str) -> tuple[str, str]:
    """The state of a subject, and all that is told of it."""
    lines = text.splitlines()
    (place,) = (n for n, line in enumerate(lines) if f", {subject}: " in line)
    more = [line for line in lines[place + 1 : place + 2] if line.startswith("   ")]
    return lines[place].split()[0], "\n".join([lines[place], *more])


@pytest.mark.usefixtures("servers")
def test_it_tells_of_each_purpose_on_a_machine_that_can_build(cli: Cli) -> None:
    done = cli("doctor", TWINE_USERNAME="me", TWINE_PASSWORD="secret-4711")  # noqa: S106
    assert done.status == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("Commit ")
    assert "Python 3." in first
    named = {line.split()[1].rstrip(",") for line in rest if not line.startswith("  ")}
    assert named == set(PURPOSES)
    assert found(done.stdout, "Debian mirror")[0] == "ok"
    assert found(done.stdout, "credentials")[0] == "ok"
    assert "secret-4711" not in done.stdout


def test_a_machine_without_a_mirror_cannot_build(cli: Cli, servers: Mirror) -> None:
    servers.close()
    done = cli("doctor")
    assert done.status == Kind.MACHINE
    for subject in ("Debian mirror", "Python package index"):
        state, told = found(done.stdout, subject)
        assert state == "missing"
        assert "--sources" in told
    assert "This machine cannot build: Debian mirror, Python package index." in done.stderr


@pytest.mark.usefixtures("servers")
def test_what_a_machine_without_packages_lacks_is_one_command(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "apt-get").symlink_to("/usr/bin/apt-get")
    done = cli("doctor", PATH=str(tmp_path))
    state, told = found(done.stdout, "Debian packages")
    assert state == "missing"
    assert "`sudo apt-get install" in told
    assert "bubblewrap" in told
    assert found(done.stdout, "sandbox")[0] == "missing"
    assert done.status == 0


@pytest.mark.usefixtures("servers")
def test_an_engine_that_does_not_answer_is_named(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    state, told = found(done.stdout, "Docker engine")
    assert state == "missing"
    assert "none.sock" in told


@pytest.mark.usefixtures("servers")
def test_a_full_disk_is_named_before_a_build_fills_it(
    cli: Cli, small_disk: list[str], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    done = cli("doctor", through=tuple(small_disk), WHEELHOUSE_CACHE=str(cache))
    assert done.stdout.count("./inv cache --prune") == 2
    assert f"status {Kind.MACHINE}" in done.stdout
