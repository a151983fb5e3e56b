"""Helpers for several kinds of tests: servers, small wheels and archives, Debian programs."""

from pathlib import Path

REPO = Path(__file__).parents[2]
"""This checkout."""
