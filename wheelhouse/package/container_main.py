"""Build wheels inside the builder's container: ``python -m`` this module, with products' labels.

``--checkout FOLDER`` before them names the checkout of TensorFlow to build them from. Nothing is
fetched: all sources lie in the cache already. A failure is written to a file of the cache, for the
process that started the container.
"""

from __future__ import annotations

import errno
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.package import products
from wheelhouse.sources.fetch import Fetcher

FAILURE = "failure/failure.json"
"""In the cache's folder: a list of the error's sentence, its hint and its kind."""


def main(words: Sequence[str]) -> int:
    """Build what ``words`` name; return the exit status: 0, or the failure's kind."""
    parser = ArgumentParser()
    parser.add_argument("--checkout", type=Path)
    parser.add_argument("labels", nargs="+")
    told = parser.parse_args(words)
    fetcher = Fetcher(Store.default(), offline=True)
    try:
        with _kept_folders():
            for label in told.labels:
                products.build(products.with_label(label, told.checkout), fetcher)
    except WheelhouseError as error:
        if error.kind is Kind.DISK:
            return Kind.DISK
        failure = [error.what, error.hint, error.kind]
        path = fetcher.store.root / FAILURE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(failure))
        return error.kind
    return 0


@contextmanager
def _kept_folders() -> Iterator[None]:
    """Raise WheelhouseError if a damaged output cannot be replaced: the engine keeps it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EBUSY):
            raise
        raise WheelhouseError(
            f"What the Docker engine keeps is damaged: {error.filename}.",
            "Run `docker volume rm $(docker volume ls --quiet --filter label=tflite-wheelhouse)` "
            "and the same command again.",
            Kind.ENGINE,
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
