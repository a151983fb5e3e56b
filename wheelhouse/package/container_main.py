"""Build wheels inside the builder's container: ``python -m`` this module, with products' labels.

Nothing is fetched: all sources lie in the cache already. A failure is written to a file of
the cache, for the process that started the container.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.package import products
from wheelhouse.sources.fetch import Fetcher

FAILURE = "failure/failure.json"
"""In the cache's folder: a list of the error's sentence, its hint and its kind."""


def main(labels: Sequence[str]) -> int:
    """Build the products with these labels; return the exit status: 0, or the failure's kind."""
    fetcher = Fetcher(Store.default(), offline=True)
    try:
        for label in labels:
            products.build(products.with_label(label), fetcher)
    except WheelhouseError as error:
        if error.kind is Kind.DISK:
            return Kind.DISK
        failure = [error.what, error.hint, error.kind]
        path = fetcher.store.root / FAILURE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(failure))
        return error.kind
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
