"""The stubs in a wheel say of its modules what these are; mypy's stubtest compares the two."""

from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse import sources, verify
from wheelhouse.emulator import qemu, rootfs, systems
from wheelhouse.sources import Sources

TOOLS = (
    "mypy",
    "mypy-extensions",
    "ast-serialize",
    "librt",
    "pathspec",
    "typing-extensions",
)
PACKAGES = "env/lib/python3.11/site-packages"
MODULES = 5


@pytest.mark.parametrize("tag", ["cp37", "cp311"])
@pytest.mark.parametrize("release", ["wheels", "newest"])
def test_the_stubs_are_true(
    request: pytest.FixtureRequest, release: str, tag: str, at: Sources, tmp_path: Path
) -> None:
    """NumPy's own stubs are left out here: with them it takes minutes."""
    system = systems.system("bookworm")
    verify.install(request.getfixturevalue(release)[tag], None, system, at, tmp_path)
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-numpy.*]\nignore_missing_imports = True\n")
    binds = {at.tree(sources.shared(name)): f"/tools/{name}" for name in TOOLS}
    done = qemu.run(
        [
            *("env/bin/python", "-m", "mypy.stubtest"),
            *("--mypy-config-file", "mypy.ini", "tflite_runtime"),
        ],
        tree=rootfs.tree(system, at.store),
        board=systems.board("Raspberry Pi 4"),
        work=tmp_path,
        binds=binds,
        env={"PYTHONPATH": ":".join(binds.values()), "MYPYPATH": PACKAGES},
    )
    assert done.status == 0, done.stdout + done.stderr
    assert f"no issues found in {MODULES} modules" in done.stdout
