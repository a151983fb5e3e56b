"""Compiles on other machines, through a scheduler and servers of sccache-dist.

A server gets preprocessed sources, and once the compiler: an archive with zig, our wrappers and a
shell to run them in. It needs nothing else.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import httpx
from backports import tarfile

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import Inputs, Step
from wheelhouse.common.store import Store
from wheelhouse.compile.shared_cache import PATIENCE
from wheelhouse.compile.toolchain import ZIG, Toolchain, toolchain
from wheelhouse.sources import pins
from wheelhouse.targets.architectures import architectures, native

ADDRESS = "WHEELHOUSE_DISTRIBUTED"
ARCHIVE = "toolchain.tar.gz"

_COMPILERS = ("cc", "c++")

_MARK = Path("lib", "std", "std.zig")
"""What zig finds its library by. A preprocessed source needs nothing else of that."""

# Every compile here writes a list of headers. sccache does not ask another machine for it, but
# without one zig passes the object through its linker, which makes other bytes.
_ALIKE = b"""\
#!/bin/sh
exec "${0%/*}/wrapper/${0##*/}" "$@" -MD -MF /dev/null
"""

_CONFIGURATION = """\
[dist]
scheduler_url = {where}
{folder}
[dist.auth]
type = "token"
token = {token}
"""
_TOOLCHAIN = """
[[dist.toolchains]]
type = "path_override"
compiler_executable = {here}
archive = {archive}
archive_compiler_executable = {there}
"""


@dataclass(frozen=True)
class Scheduler:
    """A scheduler of sccache-dist; ``where`` is its address without the token."""

    title: ClassVar[str] = "scheduler"

    where: str
    token: str = field(repr=False)

    @property
    def answers(self) -> bool:
        """Whether anything answers at its address within :data:`PATIENCE`."""
        try:
            httpx.get(f"{self.where}/api/v1/scheduler/status", timeout=PATIENCE)
        except httpx.HTTPError:
            return False
        return True

    @property
    def refusal(self) -> str:
        """Why it cannot be used, as in "does not answer"; "" if it can.

        It is asked for a job in a form that it refuses, but only after it has checked the token.
        """
        try:
            done = httpx.post(
                f"{self.where}/api/v1/scheduler/alloc_job",
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=PATIENCE,
            )
        except httpx.HTTPError:
            return "does not answer"
        known = {400: "", 401: f"refuses the token in {ADDRESS}"}
        return known.get(done.status_code, "is none of sccache-dist")


def named() -> Scheduler | None:
    """The scheduler that the environment names, if any; raises WheelhouseError if it is wrong."""
    address = os.environ.get(ADDRESS, "")
    if not address:
        return None
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        raise _wrong() from None
    token, more = url.username, (url.password, url.path.strip("/"), url.query, url.fragment)
    reachable = url.scheme in ("http", "https") and url.host and (url.port or 0) < 1 << 16
    if not reachable or any(more) or not (token and token.isascii() and token.isprintable()):
        raise _wrong()
    return Scheduler(str(url.copy_with(userinfo=b"", path="/")).rstrip("/"), token)


def _wrong() -> WheelhouseError:
    return WheelhouseError(
        f"{ADDRESS} is no address of a scheduler.",  # without the address, which holds a token
        "Set it to http://TOKEN@HOST:PORT; docs/howto/distributed-compiling.md tells the rest.",
        Kind.USAGE,
        "scheduler",
    )


def toolchains() -> dict[str, Step]:
    """The steps that write toolchains, for all processors, each by its folder in the archive."""
    steps = (toolchain(each.name, each.floor) for each in architectures())
    return {step.label: step for step in steps}


def archive() -> Step:
    """The step that packs all toolchains, for servers with this machine's processor.

    The file ``toolchain.tar.gz`` is the same for every user, umask, checkout and cache, as long as
    Python's zlib is.
    """
    processor = native().name
    return Step(
        kind="archives",
        label=f"toolchain-{processor}",
        recipe=_pack,
        needs={"busybox": pins.shared(f"busybox-{processor}").tree, **toolchains()},
    )


def _pack(inputs: Inputs, folder: Path) -> None:
    needs = dict(inputs.needs)
    shell = needs.pop("busybox") / "bin" / "busybox"
    with (
        (folder / ARCHIVE).open("wb") as stream,
        # Level 6 takes three times as long for a tenth less.
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        _add_special(tar, "tmp", tarfile.DIRTYPE)
        _add(tar, "bin/sh", shell.read_bytes())
        _add(tar, "ziglang/zig", ZIG.read_bytes())
        _add(tar, f"ziglang/{_MARK}", (ZIG.parent / _MARK).read_bytes())
        for name, tools in sorted(needs.items()):
            _add_special(tar, f"{name}/wrapper/ziglang", tarfile.SYMTYPE, "../../ziglang")
            for compiler in _COMPILERS:
                _add(tar, f"{name}/wrapper/{compiler}", (tools / compiler).read_bytes())
                _add(tar, f"{name}/{compiler}", _ALIKE)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755
    tar.addfile(member, io.BytesIO(content))


def _add_special(tar: tarfile.TarFile, name: str, kind: bytes, target: str = "") -> None:
    """Add a folder, or a link to ``target``."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, target, 0o777
    tar.addfile(member)


def configuration(
    store: Store, packed: Path, where: str, token: str, folder: Path | None = None
) -> str:
    """sccache's configuration as TOML: a scheduler, and the archive for a store's toolchains.

    ``packed`` is the archive, ``folder`` is for what sccache notes about archives; by default it
    lies in the user's cache.
    """
    text = _CONFIGURATION.format(
        where=_quoted(where),
        token=_quoted(token),
        folder=f"cache_dir = {_quoted(folder)}\n" if folder else "",
    )
    for name, step in toolchains().items():
        tools = Toolchain(store.path(step.entry))
        for here in (tools.cc, tools.cxx):
            # sccache follows links.
            for path in dict.fromkeys((here, here.resolve())):
                there = f"/{name}/{here.name}"
                text += _TOOLCHAIN.format(
                    here=_quoted(path), archive=_quoted(packed), there=_quoted(there)
                )
    return text


def _quoted(value: object) -> str:
    """A text as TOML writes it, which is as in JSON but for one character."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
