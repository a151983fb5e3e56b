"""Do everything with an installed tflite_runtime and write what it did.

``python3 -m guest.behaviour REPORT``, in the folder that ``specimens.lay_out`` filled. It judges
nothing. The report is JSON: for each case, a function of the modules here, what it returned. In it
every result is told with its type, and every exception as ``{"raises": type, "message": text}``; a
case that could end the process runs in a child and can be ``{"signal": number}``.

What cannot repeat is left out or told by its properties: addresses are ``0x``, unspecified
content of memory is not shown.
"""

from __future__ import annotations

import importlib
import sys

from .runner import main

SECTIONS = (
    "log",  # first: it forks children of a process that has made no interpreter yet
    *("module", "arguments", "creation", "registerers", "delegates", "details", "signatures"),
    *("inference", "tensors", "strings", "shapes", "errors", "variables", "views"),
    *("references", "threads", "xnnpack", "weights", "wrong"),
)

for section in SECTIONS:
    importlib.import_module(f".{section}", __package__)
main(*sys.argv[1:])
