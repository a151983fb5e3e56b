"""What tests of several kinds share: servers, small wheels and archives, programs of Debian."""

from pathlib import Path

REPO = Path(__file__).parents[2]
"""This checkout."""
