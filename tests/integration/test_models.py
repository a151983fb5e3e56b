"""Models that are made here are the same bytes everywhere."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import REPO

DIGESTS = """
import hashlib
from wheelhouse.specimens import models
generated = [*models.generated(), models.benchmark_mobilenet("int8")]
print([(m.name, hashlib.sha256(m.content).hexdigest()) for m in generated])
print([(k, hashlib.sha256(v).hexdigest()) for k, v in models.bad_files().items()])
"""


def digests(**environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", DIGESTS],
        env={**os.environ, **environment},
        cwd=REPO,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_models_are_the_same_bytes_on_another_cpu() -> None:
    scalar = digests(OPENBLAS_CORETYPE="Prescott", OPENBLAS_NUM_THREADS="1", PYTHONHASHSEED="1")
    assert scalar == digests(PYTHONHASHSEED="2")
