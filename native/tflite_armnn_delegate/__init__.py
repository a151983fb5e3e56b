"""The Arm NN delegate for TensorFlow Lite."""

from __future__ import annotations

import os


def path() -> str:
    """Where the library is, for ``load_delegate`` and for C++."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "libarmnnDelegate.so")
