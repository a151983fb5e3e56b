from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.support.running import Copied
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.mirrors import VARIABLE
from wheelhouse.targets import systems

PI = systems.board("Raspberry Pi 4")
REPORT = """
import numpy, pip, platform, ssl, sys
print(platform.machine(), "%d.%d" % sys.version_info[:2], numpy.ones(5).sum(), pip.__name__)
trust = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
print(len(trust.get_ca_certs()) > 99)
"""


@pytest.mark.parametrize("system", systems.debian(), ids=lambda each: each.name)
def test_a_tree_runs_its_own_python_numpy_and_pip(system: systems.System, tmp_path: Path) -> None:
    tree = rootfs.tree(system, Store.default())
    python = f"python{system.python}"
    board = systems.installer(system)
    done = qemu.run([python, "-c", REPORT], tree=tree, board=board, work=tmp_path)
    assert done.stdout == f"{system.processor} {system.python} 5.0 pip\nTrue\n", done.stderr


def test_a_tree_is_made_once() -> None:
    tree = rootfs.tree(systems.system("bookworm"), Store.default())
    born = (tree / "etc/passwd").stat().st_ctime_ns
    assert rootfs.tree(systems.system("bookworm"), Store.default()) == tree
    assert (tree / "etc/passwd").stat().st_ctime_ns == born


def test_an_altered_system_tries_nothing(
    tmp_path: Path, copied: Copied, capfd: pytest.CaptureFixture[str]
) -> None:
    system, store = systems.system("bookworm"), Store(tmp_path / "store")
    step = rootfs.system_tree(system)
    copied(step, store)

    def said(tree: Path) -> str:
        work = tmp_path / "home"
        work.mkdir(exist_ok=True)
        done = qemu.run(["python3", "-c", "import this"], tree=tree, board=PI, work=work)
        assert done.status == 0, done.stderr
        return done.stdout

    tree = rootfs.tree(system, store)
    assert "Beautiful is better than ugly." in said(tree)
    module = tree / "usr/lib/python3.11/this.py"
    before = module.stat()
    module.write_text("print('altered')".ljust(before.st_size))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    (module.parent / "__pycache__/this.cpython-311.pyc").unlink()
    assert said(tree) == "altered\n"

    capfd.readouterr()
    again = rootfs.tree(system, store)
    assert "bookworm in the cache is damaged; it is made again." in capfd.readouterr().err
    assert "Beautiful is better than ugly." in said(again)


def test_modules_are_compiled(tmp_path: Path) -> None:
    tree = rootfs.tree(systems.system("bookworm"), Store.default())
    done = qemu.run(
        ["python3", "-v", "-c", "import argparse, numpy"], tree=tree, board=PI, work=tmp_path
    )
    for source in ("/usr/lib/python3.11/argparse", "/usr/lib/python3/dist-packages/numpy/__init__"):
        folder, _, name = source.rpartition("/")
        assert f"{folder}/__pycache__/{name}.cpython-311.pyc matches {source}.py" in done.stderr


def test_an_archive_without_a_signature_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive/dists/bookworm"
    (folder / "main/binary-arm64").mkdir(parents=True)
    (folder / "main/binary-arm64/Packages.gz").write_bytes(gzip.compress(b""))
    (folder / "Release").write_text("Origin: Debian\nSuite: bookworm\nArchitectures: arm64\n")
    monkeypatch.setenv(VARIABLE, f"file://{tmp_path}/archive")
    with pytest.raises(WheelhouseError, match="not signed") as caught:
        rootfs.tree(systems.system("bookworm"), Store(tmp_path / "store"))
    assert VARIABLE in caught.value.hint
    assert caught.value.kind is Kind.FETCH
    assert not list((tmp_path / "store/rootfs").iterdir())
