"""Records of tflite-bench, as boards write them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUNTIME = "tflite-runtime 2.14.1"
BOARD = "Raspberry Pi 5 Model B Rev 1.0"


def result(
    model: str = "face.tflite",
    median: float = 4.0,
    *,
    delegate: str = "xnnpack",
    threads: int = 1,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """A result; ``median`` is in milliseconds."""
    times = {"runs": 100, "median_ms": median, "p5_ms": median * 0.9, "p95_ms": median * 1.2}
    measured = {"load_ms": 3.2, "first_ms": 8.4, "times": times, "peak_bytes": 51_000_000}
    return {
        "model": model,
        "runtime": RUNTIME,
        "delegate": delegate,
        "threads": threads,
        "delegates": 0 if delegate == "none" else 1,
        "measured": measured,
        "celsius_before": 45.4,
        "celsius_after": 51.2,
        "notes": [*notes],
    }


def record(
    *results: dict[str, Any], started: str = "2026-11-20T10:00:00+00:00", **machine: Any
) -> dict[str, Any]:
    """A record with these results; ``machine`` has what differs from a Raspberry Pi 5."""
    names = dict.fromkeys(each["model"] for each in results)
    return {
        "schema": 1,
        "program": ["tflite-bench", "1.0"],
        "started": started,
        "machine": {
            "board": BOARD,
            "cpu": "Cortex-A76",
            "cores": 4,
            "architecture": "aarch64",
            "ram_bytes": 8_300_000_000,
            "governor": "performance",
            "max_mhz": 2400,
            "kernel": "6.6.31",
            "os": "Debian GNU/Linux 12 (bookworm)",
            "emulated": False,
            **machine,
        },
        "python": {"version": "3.11.2", "numpy": "1.24.2"},
        "runtimes": [{"name": RUNTIME, "files": {"_pywrap.so": "0" * 64}}],
        "models": [
            {"name": name, "bytes": 1000, "sha256": hashlib.sha256(name.encode()).hexdigest()}
            for name in names
        ],
        "results": [*results],
    }


def written(folder: Path, content: object, name: str = "out.json") -> Path:
    """A file with that content as JSON."""
    path = folder / name
    path.write_text(json.dumps(content))
    return path
