"""Build wheels inside the builder's container: ``python -m wheelhouse.inner PRODUCTS``, JSON.

Nothing is fetched: what wheels are built from lies in the cache already. A failure is left in
``failure.json`` there, for the process that started the container.
"""

from __future__ import annotations

import sys

import msgspec

from wheelhouse import products
from wheelhouse.errors import Kind, WheelhouseError
from wheelhouse.sources import Sources
from wheelhouse.store import Store

FAILURE = "failure.json"


def main(words: str) -> int:
    """Build what ``words`` lists; the exit status, by the kind of failure."""
    at = Sources(Store.default(), offline=True)
    try:
        for wanted in products.decode(words):
            products.build(wanted, at)
    except WheelhouseError as error:
        if error.kind is Kind.DISK:
            return Kind.DISK
        failure = [error.what, error.hint, error.kind]
        (at.store.root / FAILURE).write_bytes(msgspec.json.encode(failure))
        return error.kind
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
