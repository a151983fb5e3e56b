"""Paths that every build tool accepts.

CMake, ninja, clang and the shell each treat some characters of a path specially, and not all of
these can be quoted: CMake accepts no colon in a compiler's path, clang no equals sign in a prefix
map. If a folder's path has such a character, build tools get the path of a symbolic link to it
below ``/tmp`` instead. The link has the same name every time, so an interrupted build can resume.
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
    """The absolute path, through a symbolic link if it has other characters than A-Za-z0-9._+-.

    Raises WheelhouseError if the link cannot be made.
    """
    whole = path.absolute()
    odd = [number for number, part in enumerate(whole.parts[1:], 1) if not _PLAIN.fullmatch(part)]
    if not odd:
        return whole
    split = odd[-1] + 1
    return Path(short_path(Path(*whole.parts[:split])), *whole.parts[split:])


def short_path(target: Path) -> Path:
    """The path of a symbolic link to an absolute path, which has less than 60 characters.

    Raises WheelhouseError if the link cannot be made.
    """
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
            f"Compilers do not accept all characters of the path {target}, or it is too long, and "
            f"no link to it can be made in {LINKS}: {error.strerror}.",
            "Correct that, or rename the folder: only Latin letters, digits and . _ + - are safe.",
            Kind.MACHINE,
        ) from error
    return link
