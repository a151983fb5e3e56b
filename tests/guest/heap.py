"""What the C library's malloc has given out."""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar


class Mallinfo(ctypes.Structure):
    """The C library's ``struct mallinfo``."""

    _fields_: ClassVar[Any] = [
        (name, ctypes.c_int)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


mallinfo = ctypes.CDLL(None).mallinfo
mallinfo.restype = Mallinfo


def allocated() -> int:
    """Bytes in use."""
    heap = mallinfo()
    return int(heap.uordblks + heap.hblkhd)
