"""Names of folders that every tool can take.

CMake, ninja, clang and the shell each give a meaning to some characters of a path, and not all can
be quoted: CMake takes no colon in a compiler's path, clang no equals sign in a prefix map. So what
compiles is told a path below ``/tmp``, of a link to the folder, if the folder's own has any
character that could mean something. The link has the same name every time, so that an interrupted
build goes on.
"""

from __future__ import annotations

import os
import re
import tempfile
from hashlib import sha256
from pathlib import Path

from wheelhouse.common.errors import Kind, WheelhouseError

LINKS = Path("/tmp")  # noqa: S108
_PLAIN = re.compile(r"[A-Za-z0-9._+-]*")


def plain_path(path: Path) -> Path:
    """The absolute path itself, or one of plain characters that leads there.

    Raises WheelhouseError if there can be no link.
    """
    whole = path.absolute()
    odd = [number for number, part in enumerate(whole.parts[1:], 1) if not _PLAIN.fullmatch(part)]
    if not odd:
        return whole
    split = odd[-1] + 1
    return Path(_link(Path(*whole.parts[:split])), *whole.parts[split:])


def _link(target: Path) -> Path:
    folder = LINKS / f"tflite-wheelhouse-{os.geteuid()}"
    link = folder / sha256(os.fsencode(target)).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            raise PermissionError(1, f"{folder} belongs to somebody else")
        if not link.is_symlink() or link.readlink() != target:
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                new = Path(scratch, "link")
                new.symlink_to(target)
                new.replace(link)
    except OSError as error:
        raise WheelhouseError(
            f"Compilers cannot take all characters of the name {target}, and there can be no link "
            f"to it in {LINKS}: {error.strerror}.",
            "Mend that, or give the folder a name of Latin letters, digits and . _ + - alone.",
            Kind.MACHINE,
        ) from error
    return link
