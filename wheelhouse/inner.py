"""Build wheels inside the builder's container: ``python -m wheelhouse.inner PRODUCTS``, JSON.

Nothing is fetched: what wheels are built from lies in the cache already. A failure is left in
``failure.json`` there, for the process that started the container.
"""

from __future__ import annotations

import errno
import sys

import msgspec

from wheelhouse import products
from wheelhouse.errors import WheelhouseError
from wheelhouse.sources import Sources
from wheelhouse.store import DiskFullError, Store

FAILURE = "failure.json"


def main(words: str) -> int:
    """Build what ``words`` lists; the exit status, ENOSPC's number for a full disk."""
    at = Sources(Store.default(), offline=True)
    try:
        for wanted in products.decode(words):
            products.build(wanted, at)
    except DiskFullError:
        return errno.ENOSPC
    except WheelhouseError as error:
        (at.store.root / FAILURE).write_bytes(msgspec.json.encode([error.what, error.hint]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
