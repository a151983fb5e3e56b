"""The stubs in a wheel say of its modules what these are; mypy's stubtest compares the two."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems

TOOLS = ("mypy", "mypy-extensions", "ast-serialize", "librt", "pathspec", "typing-extensions")
CONFIGURATION = """
[mypy]
[mypy-numpy.*]
ignore_missing_imports = true
"""
"""NumPy's own stubs would take minutes here, and nothing of theirs is compared."""

ALLOWED = r"""
# What binds it decides on its metaclass, its layout, its marks and on how its constructor refuses.
tflite_runtime\._pywrap_tensorflow_interpreter_wrapper\.InterpreterWrapper(\.__(init|pybind11\w+)__)?
"""


@pytest.mark.parametrize(
    "wheel", ["wheels-cp37", "wheels-cp311", "newest-cp37", "newest-cp311"], indirect=True
)
def test_the_stubs_are_true(wheel: Path, fetcher: Fetcher, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    (tmp_path / "allowed").write_text(ALLOWED)
    binds = {fetcher.tree(pins.shared(name)): f"/tools/{name}" for name in TOOLS}
    done = qemu.run(
        [
            *("python3.11", "-m", "mypy.stubtest", "tflite_runtime"),
            *("--mypy-config-file", "mypy.ini", "--allowlist", "allowed"),
        ],
        tree=rootfs.tree(systems.system("bookworm"), fetcher.store),
        board=systems.board("Raspberry Pi 4"),
        work=tmp_path,
        binds=binds,
        env={"PYTHONPATH": ":".join(["site", *binds.values()]), "MYPYPATH": "site"},
    )
    assert done.status == 0, done.stdout + done.stderr
    modules = len(list((tmp_path / "site").rglob("*.pyi")))
    assert f"no issues found in {modules} modules" in done.stdout
