"""Build wheels inside the builder's container, by ``python -m`` with the labels of products.

Nothing is fetched: what wheels are built from lies in the cache already. A failure is left in
``failure.json`` there, for the process that started the container.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.package import products
from wheelhouse.sources.fetch import Fetcher

FAILURE = "failure.json"


def main(labels: Sequence[str]) -> int:
    """Build the products with these labels; the exit status, by the kind of failure."""
    fetcher = Fetcher(Store.default(), offline=True)
    try:
        for label in labels:
            products.build(products.labelled(label), fetcher)
    except WheelhouseError as error:
        if error.kind is Kind.DISK:
            return Kind.DISK
        failure = [error.what, error.hint, error.kind]
        (fetcher.store.root / FAILURE).write_bytes(msgspec.json.encode(failure))
        return error.kind
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
