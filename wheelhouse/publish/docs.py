"""Make the documentation's pages from ``docs/`` with Sphinx.

A page may have expressions in double braces, as ``{{ figure("cold-build") }}``: what the code knows
itself, such as options, keys and figures, is put in their place, and is in no file of ``docs/``.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path

from jinja2 import Environment, StrictUndefined, TemplateError
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.docutils import docutils_namespace

from wheelhouse import boards, figures
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.publish import boards_page, diagrams, reference
from wheelhouse.publish.index import templates

SOURCE = ROOT / "docs"

SETTINGS = {
    "project": "tflite-wheelhouse",
    "html_title": "tflite-wheelhouse",
    "extensions": ["myst_parser"],
    "myst_heading_anchors": 3,
    "nitpicky": True,
    "smartquotes": False,
    "html_theme": "furo",
    "html_theme_options": {"navigation_with_keys": False, "top_of_page_buttons": []},
    "html_copy_source": False,
    "html_show_copyright": False,
    "html_show_sphinx": False,
    "html_use_index": False,
    "pygments_style": "a11y-high-contrast-light",
}
"""Sphinx's configuration values."""

_LEFT_OUT = {
    b"</head>": templates.get_template("icon.html").render().encode() + b"</head>",
    b'<aside class="sidebar-drawer">': b'<aside class="sidebar-drawer" aria-label="All pages">',
    b'<p class="caption" role="heading">': b'<p class="caption" role="heading" aria-level="2">',
    b"<pre>": b'<pre tabindex="0">',
    b'<div class="table-wrapper ': b'<div tabindex="0" class="table-wrapper ',
}
"""What Furo writes without an icon, a name, a level, or a way to scroll it with the keyboard."""

_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def pages(source: Path = SOURCE) -> dict[str, bytes]:
    """The content of each file of the documentation, by its path in the site's folder.

    Raises WheelhouseError with what is wrong in a page, a link that leads nowhere for example.
    """
    said = StringIO()
    with docutils_namespace(), tempfile.TemporaryDirectory() as scratch:
        made, trees = Path(scratch, "made"), Path(scratch, "trees")
        try:
            sphinx = Sphinx(
                *(source, None, made, trees, "html"),
                confoverrides=SETTINGS,
                status=None,
                warning=said,
                freshenv=True,
                warningiserror=True,
            )
            sphinx.connect("source-read", partial(_fill, expressions()))
            sphinx.build()
        except (SphinxError, TemplateError) as error:
            raise _failure(f"{said.getvalue()}{error}") from error
        if sphinx.statuscode:
            raise _failure(said.getvalue())
        files = (path for path in sorted(made.rglob("*")) if path.is_file())
        return {path.relative_to(made).as_posix(): _completed(path.read_bytes()) for path in files}


def _completed(content: bytes) -> bytes:
    """A page with what Furo leaves out; a file of another kind has none of it."""
    for lacking, whole in _LEFT_OUT.items():
        content = content.replace(lacking, whole)
    return content


def expressions() -> dict[str, Callable[..., str]]:
    """What pages may call in double braces; each returns Markdown."""
    return {
        "address": reference.address,
        "api": reference.api,
        "bench_options": reference.bench_options,
        "bench_record": reference.bench_record,
        "boards": lambda: boards_page.markdown(boards.sessions()),
        "diagram": diagrams.diagram,
        "examples_models": reference.examples_models,
        "examples_options": reference.examples_options,
        "examples_pipelines": reference.examples_pipelines,
        "figure": reference.figure,
        "figures": lambda: figures.table(figures.read().values()),
        "instructions": lambda: boards_page.instructions(tuple(figures.read().values())),
        "keys": reference.keys,
        "rooms": reference.rooms,
        "schema": reference.schema,
        "surroundings": reference.surroundings_of,
        "tasks": reference.tasks,
    }


def _fill(
    functions: dict[str, Callable[..., str]], _: Sphinx, page: str, content: list[str]
) -> None:
    """Put their values in the place of a page's expressions; ``content`` is the page's text."""
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, keep_trailing_newline=True
    )  # without escapes, for it is Markdown
    try:
        content[0] = environment.from_string(content[0]).render(functions)
    except (TemplateError, KeyError, ValueError) as error:
        raise _failure(f"docs/{page}.md: {error}") from error


def _failure(said: str) -> WheelhouseError:
    told = _COLOUR.sub("", said).replace(f"{SOURCE}/", "docs/").strip()
    return WheelhouseError(
        f"The documentation has faults:\n{told}", "Correct these pages.", Kind.USAGE
    )
