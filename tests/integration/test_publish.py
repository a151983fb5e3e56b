"""Uploads to a real server with a password file, and what pip then gets from it."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from passlib.apache import HtpasswdFile

from tests.support import wheels
from tests.support.running import Cli
from tests.support.wheels import whole
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import file_digest
from wheelhouse.publish import upload
from wheelhouse.record import path_for
from wheelhouse.targets import systems
from wheelhouse.verify.expected import expected

USER, PASSWORD = "publisher", "pass-Wort-4711"
MANYLINUX = "manylinux_2_17_aarch64.manylinux2014_aarch64"
METADATA = """\
Metadata-Version: 2.1
Name: tflite-runtime
Version: 2.14.1
Summary: Small
Description-Content-Type: text/markdown

A small wheel.
"""


Make = Callable[..., Path]


class Server:
    """A pypiserver on loopback that wants a password for what `wanted` names."""

    def __init__(self, folder: Path, wanted: str = "update", *words: str) -> None:
        self.packages = folder / "packages"
        self.packages.mkdir(parents=True)
        passwords = HtpasswdFile(str(folder / "htpasswd"), new=True)
        passwords.set_password(USER, PASSWORD)
        passwords.save()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        program = Path(sys.executable).with_name("pypi-server")
        words = words or ("--disable-fallback", "--hash-algo", "sha256")
        where = ["-i", "127.0.0.1", "-p", str(port), "-P", str(folder / "htpasswd"), "-a", wanted]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [program, "run", *where, *words, self.packages], stdout=log, stderr=log
            )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((folder / "log").read_text())

    @property
    def files(self) -> dict[str, str]:
        return {path.name: file_digest(path) for path in self.packages.iterdir()}


Start = Callable[..., Server]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    started: list[Server] = []

    def start(*words: str) -> Server:
        started.append(Server(tmp_path / f"server-{len(started)}", *words))
        return started[-1]

    monkeypatch.setenv("TWINE_USERNAME", USER)
    monkeypatch.setenv("TWINE_PASSWORD", PASSWORD)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    yield start
    for one in started:
        one.process.terminate()
        one.process.wait()


@pytest.fixture
def wheel(tmp_path: Path) -> Make:
    """Make a small wheel with a record that vouches for it."""

    def make(
        python: str = "cp311",
        content: str = "1",
        platform: str = MANYLINUX,
        metadata: str = METADATA,
        folder: str = "wheels",
        version: str = "2.14.1",
    ) -> Path:
        info = f"tflite_runtime-{version}.dist-info"
        files = {
            "tflite_runtime/__init__.py": f"CONTENT = {content!r}\n",
            f"{info}/METADATA": metadata.replace("2.14.1", version),
        }
        tag = f"{python}-{python}-{platform}"
        path = wheels.wheel(tmp_path / folder, version=version, tag=tag, replaced=files)
        whole(path)
        return path

    return make


def edit(path: Path, **changes: object) -> None:
    whole(path, changes=changes)


def publish(paths: list[Path], to: str, index: str = "") -> None:
    upload.publish(paths, to, index, expected)


def refusal(paths: list[Path], to: str, **words: str) -> str:
    with pytest.raises(WheelhouseError) as caught:
        publish(paths, to, **words)
    return str(caught.value)


def downloaded(url: str, folder: Path, python: str = "311") -> dict[str, str]:
    """What pip gets from the index, by name."""
    words = ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    target = ["--platform", "manylinux2014_aarch64", "--python-version", python]
    words += ["--index-url", f"{url}simple/"]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", *words, *target, "tflite-runtime"],
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
    )
    return {path.name: file_digest(path) for path in folder.iterdir()}


def test_a_published_wheel_is_what_pip_gets_and_publishing_again_is_safe(
    server: Start, wheel: Make, tmp_path: Path, cli: Cli
) -> None:
    there, path = server(), wheel()
    first = cli("publish", "--to", there.url, "--wheel", str(path))
    assert first.status == 0, first.stderr
    assert first.stdout.split() == [path.name]
    assert downloaded(there.url, tmp_path / "got") == {path.name: file_digest(path)}

    again = cli("publish", "--to", there.url, "--wheel", str(path))
    assert again.status == 0, again.stderr
    assert again.stdout == ""
    assert f"{path.name} is in the index already" in again.stderr


def test_what_is_missing_is_added(server: Start, wheel: Make) -> None:
    there, old = server(), wheel()
    publish([old], there.url)
    new = wheel("cp39")
    publish([old, new], there.url)
    assert set(there.files) == {old.name, new.name}


def test_an_index_that_wants_the_password_too(server: Start, wheel: Make) -> None:
    there, path = server("update,download,list"), wheel()
    publish([path], there.url)
    publish([path], there.url)
    assert there.files == {path.name: file_digest(path)}


def test_an_index_without_sha256_is_compared_by_content(server: Start, wheel: Make) -> None:
    there, path = server("update", "--disable-fallback", "--hash-algo", "md5"), wheel()
    publish([path], there.url)
    publish([path], there.url)
    assert "other content" in refusal([wheel(content="2")], there.url)


def test_another_index_that_a_server_falls_back_to_does_not_count(
    server: Start, wheel: Make
) -> None:
    public = server()
    publish([wheel()], public.url)
    private = server("update", "--fallback-url", f"{public.url}simple/")
    with urllib.request.urlopen(f"{private.url}simple/tflite-runtime/") as reply:  # noqa: S310
        assert reply.url.startswith(public.url)
    changed = wheel(content="2")
    publish([changed], private.url)
    assert private.files == {changed.name: file_digest(changed)}


@pytest.mark.parametrize("platform", [MANYLINUX, "manylinux2014_aarch64"])
def test_other_content_in_the_same_place_is_refused_before_anything_is_sent(
    server: Start, wheel: Make, platform: str
) -> None:
    there, published = server(), wheel()
    publish([published], there.url)
    before = there.files
    changed = wheel(content="2", platform=platform, folder="changed")
    said = refusal([wheel("cp39"), changed], there.url)
    assert changed.name in said
    assert "other content" in said
    assert there.files == before


@pytest.mark.parametrize(
    ("first", "second"),
    [("2.14.1", "2.14.1.post1"), ("2.22.0.dev2026051800", "2.22.0.dev2026051801")],
)
def test_other_content_goes_beside_it_under_the_next_number(
    server: Start, wheel: Make, tmp_path: Path, first: str, second: str
) -> None:
    there = server()
    publish([wheel(version=first)], there.url)
    publish([wheel(content="2", version=second)], there.url)
    assert len(there.files) == 2
    (got,) = downloaded(there.url, tmp_path / "got")
    assert got.startswith(f"tflite_runtime-{second}-")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path_for(path).unlink(), "was never verified"),
        (lambda path: path_for(path).write_text("{"), "unreadable record"),
        (lambda path: path_for(path).write_text("[]"), "unreadable record"),
        (
            lambda path: path.write_bytes(path.read_bytes() + b"\0"),
            "not the file that its record is about",
        ),
        (lambda path: edit(path, sha256="0" * 64), "not the file that its record is about"),
        (lambda path: edit(path, wheel="other.whl"), "not the file that its record is about"),
        (lambda path: edit(path, trials=[]), "no check at all"),
        (lambda path: edit(path, trials=[wheels.trial(passed=False)]), "did not pass"),
        (lambda path: edit(path, trials=[wheels.trial(checks=0)]), "no check at all"),
        (
            lambda path: edit(path, trials=[wheels.trial(systems.system("sid").name)]),
            "was not tried on",
        ),
    ],
)
def test_an_unverified_wheel_is_refused_before_anything_is_sent(
    server: Start, wheel: Make, change: Callable[[Path], object], said: str
) -> None:
    there, good, bad = server(), wheel("cp39"), wheel()
    change(bad)
    problem = refusal([good, bad], there.url)
    assert bad.name in problem
    assert said in problem
    assert good.name not in problem
    assert there.files == {}


def test_a_local_version_stays_here(
    server: Start, wheel: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    there, path = server(), wheel()
    local = path.with_name(path.name.replace("2.14.1", "2.14.1+noxnnpack"))
    shutil.copy(path, local)
    whole(local)
    publish([local, path], there.url)
    assert set(there.files) == {path.name}
    assert f"{local.name} is left out" in capsys.readouterr().err
    assert "no wheel to upload" in refusal([local], there.url)


def test_metadata_that_an_index_would_refuse(server: Start, wheel: Make) -> None:
    there = server()
    bad = wheel(metadata=METADATA.replace("A small wheel.\n", ""))
    assert "long_description" in refusal([bad], there.url)
    assert there.files == {}


def test_after_a_failure_the_same_command_goes_on(
    server: Start, wheel: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    there = server()
    paths = [wheel(python) for python in ("cp39", "cp311", "cp313")]
    obstacle = there.packages / paths[1].name
    obstacle.mkdir()
    said = refusal(paths, there.url)
    assert f"did not take {paths[1].name}: HTTP 500" in said
    assert f"Uploaded before it: {paths[0].name}." in said
    obstacle.rmdir()
    capsys.readouterr()
    publish(paths, there.url)
    assert capsys.readouterr().out.split() == [paths[1].name, paths[2].name]
    assert there.files == {path.name: file_digest(path) for path in paths}


def test_a_wrong_password(server: Start, wheel: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    there = server()
    monkeypatch.setenv("TWINE_PASSWORD", "wrong-4711")
    said = refusal([wheel()], there.url)
    assert "user name or password is refused" in said
    assert "TWINE_PASSWORD" in said
    assert "wrong-4711" not in said
    assert there.files == {}


@pytest.mark.parametrize(
    ("user", "password", "missing"), [("", PASSWORD, "username"), (USER, "", "password")]
)
def test_missing_credentials_say_what_to_set(
    server: Start, wheel: Make, cli: Cli, user: str, password: str, missing: str
) -> None:
    there = server()
    words = ("publish", "--to", there.url, "--wheel", str(wheel()))
    done = cli(*words, TWINE_USERNAME=user, TWINE_PASSWORD=password)
    assert done.status == Kind.INDEX
    assert PASSWORD not in done.stdout + done.stderr
    assert f"There is no {missing} for {there.url}" in done.stderr
    assert "Set TWINE_USERNAME and TWINE_PASSWORD" in done.stderr
    assert there.files == {}


def test_credentials_from_the_keyring(server: Start, wheel: Make, cli: Cli, tmp_path: Path) -> None:
    there, path = server(), wheel()
    (tmp_path / "ring.py").write_text(
        "from keyring.backend import KeyringBackend\n"
        "from keyring.credentials import SimpleCredential\n"
        "class Ring(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, service, username):\n"
        f"        return {PASSWORD!r} if (service, username) == {(there.url, USER)!r} else None\n"
        "    def get_credential(self, service, username):\n"
        f"        return SimpleCredential({USER!r}, {PASSWORD!r})\n"
        "    def set_password(self, service, username, password):\n"
        "        raise NotImplementedError\n"
    )
    ring = {"PYTHON_KEYRING_BACKEND": "ring.Ring", "PYTHONPATH": str(tmp_path)}
    words = ("publish", "--to", there.url, "--wheel", str(path))
    done = cli(*words, TWINE_USERNAME="", TWINE_PASSWORD="", **ring)
    assert done.status == 0, done.stderr
    assert there.files == {path.name: file_digest(path)}
    assert PASSWORD not in done.stdout + done.stderr


def test_a_server_that_is_not_there(server: Start, wheel: Make) -> None:
    there = server()
    there.process.terminate()
    there.process.wait()
    said = refusal([wheel()], there.url)
    assert f"The index {there.url}simple/ cannot be read" in said
    assert "Connection refused" in said


def test_an_index_that_is_elsewhere(server: Start, wheel: Make) -> None:
    there, path = server(), wheel()
    said = refusal([path], f"{there.url}nowhere/")
    assert "HTTP 404" in said
    assert "--index" in said
    publish([path], there.url, index=f"{there.url}simple")
    assert there.files == {path.name: file_digest(path)}


@pytest.mark.parametrize("password", [PASSWORD, "wrong-4711"])
def test_no_secret_is_shown_to_anybody(
    server: Start, wheel: Make, repo: Path, password: str
) -> None:
    there = server("update,download,list")
    words = ["-m", "invoke", "publish", "--to", there.url, "--wheel", str(wheel())]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=repo,
        env={**os.environ, "TWINE_PASSWORD": password},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seen = set()
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes())
            except OSError:
                continue
        time.sleep(0.02)
    assert process.stdout
    output = process.stdout.read()
    assert (process.returncode == 0) is (password == PASSWORD), output
    secrets = {password, base64.b64encode(f"{USER}:{password}".encode()).decode()}
    for secret in secrets:
        assert secret not in output
        assert not any(secret.encode() in line for line in seen)
    assert any(there.url.encode() in line and b"publish" in line for line in seen)
