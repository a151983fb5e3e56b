"""The race of two runtimes: what it says when one of them ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from wheelhouse.bench import times


def _contestant(folder: Path, script: str) -> str:
    program = folder / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(folder)


def test_the_last_line_names_the_status_however_late_another_runtime_complains(
    tmp_path: Path,
) -> None:
    plan = {
        "contestants": [
            _contestant(tmp_path / "first", "exit 3"),
            _contestant(tmp_path / "second", "sleep 0.3; echo late >&2; exit 1"),
        ],
        "races": [["model.tflite", 1]],
        "turns": 1,
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, str(times.RACE), "plan.json", "times.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["late", "A contestant ended with status 3."]
    assert not (tmp_path / "times.json").exists()
