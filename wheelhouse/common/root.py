"""The folder of this checkout, ``ROOT``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
