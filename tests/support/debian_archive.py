"""A small signed archive of Debian packages on a test mirror."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections import defaultdict
from pathlib import Path

from tests.support.mirror import Mirror
from wheelhouse.machines import debian_packages


class Key:
    """A new signing key in ``folder``; ``ring`` is the keyring for apt."""

    def __init__(self, folder: Path) -> None:
        debian_packages.ensure("Signing a test's archive", {"gpg": "gpg"})
        self._env = {**os.environ, "GNUPGHOME": str(folder)}
        folder.chmod(0o700)
        self._gpg("--passphrase", "", "--quick-generate-key", "archive", "ed25519", "sign", "never")
        self.ring = folder / "ring.gpg"
        self.ring.write_bytes(self._gpg("--export"))

    def sign(self, content: bytes) -> bytes:
        """The clear-signed content."""
        return self._gpg("--clearsign", content=content)

    def close(self) -> None:
        subprocess.run(["gpgconf", "--kill", "all"], env=self._env, check=False)

    def _gpg(self, *words: str, content: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", *words]
        done = subprocess.run(
            command, env=self._env, input=content, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Archive:
    """The suites of the mirror; ``publish`` writes and signs their package lists."""

    def __init__(self, mirror: Mirror, key: Key) -> None:
        self._mirror = mirror
        self._key = key
        self._lists: dict[str, dict[str, str]] = defaultdict(
            lambda: {
                "main/binary-amd64/Packages": "",
                "main/binary-arm64/Packages": "",
                "main/source/Sources": "",
            }
        )

    def add(self, path: str, content: bytes, suite: str = "bookworm") -> None:
        """Add a package or an upstream archive to the pool and to a suite's lists."""
        folder, _, name = path.rpartition("/")
        package, version, *_ = name.partition(".orig")[0].split("_")
        self._mirror.files[path] = content
        sha256 = hashlib.sha256(content).hexdigest()
        size = len(content)
        if name.endswith(".deb"):
            processor = name.removesuffix(".deb").rpartition("_")[2]
            self._lists[suite][f"main/binary-{processor}/Packages"] += (
                f"Package: {package}\nVersion: {version}\nArchitecture: {processor}\n"
                f"Filename: {path}\nSize: {size}\nSHA256: {sha256}\n\n"
            )
        else:
            self._lists[suite]["main/source/Sources"] += (
                f"Package: {package}\nBinary: {package}\nVersion: {version}-1\n"
                f"Format: 3.0 (quilt)\nDirectory: {folder}\n"
                f"Checksums-Sha256:\n {sha256} {size} {name}\n\n"
            )

    def publish(self) -> None:
        """Put the signed lists on the mirror."""
        for suite, lists in self._lists.items():
            rows = ""
            for name, text in lists.items():
                self._mirror.files[f"dists/{suite}/{name}"] = text.encode()
                rows += f" {hashlib.sha256(text.encode()).hexdigest()} {len(text)} {name}\n"
            release = (
                f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\n"
                "Date: Sat, 01 Jan 2022 00:00:00 UTC\n"
                "Architectures: amd64 arm64\nComponents: main\n"
                f"SHA256:\n{rows}"
            )
            self._mirror.files[f"dists/{suite}/InRelease"] = self._key.sign(release.encode())
