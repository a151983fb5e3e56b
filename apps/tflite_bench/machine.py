"""What the benchmark ran on, and what happened to it meanwhile.

Each function reads the kernel's files below ``root`` and answers None or nothing where there are
none.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")

_CORES = {
    ("0x41", "0xb76"): "ARM1176",
    ("0x41", "0xc07"): "Cortex-A7",
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
}
"""Names of Arm's cores by implementer and part: those of Raspberry Pis, and one of others."""

_THROTTLES = (
    "under-voltage",
    "frequency capped",
    "throttled",
    "soft temperature limit",
)
"""What the lowest bits of the firmware's word mean; 16 bits higher: since the board started."""


@dataclass(frozen=True)
class Machine:
    """A board or computer and its system. ``emulated`` is told by what runs this program."""

    board: str
    cpu: str
    cores: int
    architecture: str
    ram_bytes: int | None
    governor: str | None
    max_mhz: int | None
    kernel: str
    os: str
    emulated: bool


def describe(root: Path = ROOT) -> Machine:
    """The machine that this program runs on."""
    cpuinfo = _read(root / "proc/cpuinfo")
    ram = re.search(r"MemTotal:\s*(\d+) kB", _read(root / "proc/meminfo"))
    frequency = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return Machine(
        board=_board(root, cpuinfo),
        cpu=_cpu(cpuinfo),
        cores=len(_values(cpuinfo, "processor")) or os.cpu_count() or 1,
        architecture=platform.machine(),
        ram_bytes=int(ram.group(1)) * 1024 if ram else None,
        governor=governor(root),
        max_mhz=int(frequency) // 1000 if frequency else None,
        kernel=platform.release(),
        os=_system(root),
        emulated=is_emulated(root),
    )


def governor(root: Path = ROOT) -> str | None:
    """The processors' frequency governor; several, with commas between, if they differ."""
    files = root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({_read(file) for file in files} - {""})) or None


def temperature(root: Path = ROOT) -> float | None:
    """The processor's temperature in degrees Celsius."""
    zones = sorted(root.glob("sys/class/thermal/thermal_zone*"))
    zones.sort(key=lambda zone: not re.search("cpu|pkg", _read(zone / "type")))
    for zone in zones:
        value = _read(zone / "temp")
        if value.lstrip("-").isdigit():
            return round(int(value) / 1000, 1)
    return None


def throttle_word() -> int | None:
    """What ``vcgencmd get_throttled`` tells on a Raspberry Pi; None where it tells nothing."""
    program = shutil.which("vcgencmd")
    if not program:
        return None
    try:
        done = subprocess.run([program, "get_throttled"], capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(rb"throttled=0x([0-9a-fA-F]+)", done.stdout)
    return int(found.group(1), 16) if found else None


def throttles(before: int | None, after: int | None) -> list[str] | None:
    """What slowed the board between two words of the firmware, for example under-voltage.

    That is what it does now and what it newly did since the board started. None if unknown.
    """
    if before is None or after is None:
        return None
    bits = before | after | (after & ~before) >> 16
    return [name for bit, name in enumerate(_THROTTLES) if bits >> bit & 1]


def is_emulated(root: Path = ROOT) -> bool:
    """Whether qemu-user runs this program: it shows a program as itself, but not its threads."""
    try:
        shown = os.readlink(str(root / "proc/self/exe"))
        real = os.readlink(str(root / f"proc/self/task/{os.getpid()}/exe"))
    except OSError:
        return False
    return shown != real


class CpuMeter:
    """Measures how much of the processors others use than this process, from when it is made."""

    def __init__(self, root: Path = ROOT) -> None:
        self._stat = root / "proc/stat"
        self._begin, self._clock = self._others(), time.monotonic()

    def others(self) -> float | None:
        """How many processors others kept busy on average: 0.5 is half of one."""
        end, seconds = self._others(), time.monotonic() - self._clock
        if self._begin is None or end is None or not seconds:
            return None
        return round(max(end - self._begin, 0.0) / seconds, 3)

    def _others(self) -> float | None:
        """Seconds of all processors' work so far, without this process's."""
        busy, own = busy_seconds(_read(self._stat)), os.times()
        return None if busy is None else busy - own.user - own.system


def busy_seconds(stat: str) -> float | None:
    """How long all processors worked since the system started, from the text of /proc/stat."""
    words = stat.partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu":
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def memory(field: str, root: Path = ROOT) -> int | None:
    """This process's memory in bytes: ``VmRSS`` is what it has now, ``VmHWM`` the most it had."""
    found = re.search(rf"{field}:\s*(\d+) kB", _read(root / "proc/self/status"))
    return int(found.group(1)) * 1024 if found else None


def _board(root: Path, cpuinfo: str) -> str:
    told = re.search(r"^Model\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return (
        _read(root / "proc/device-tree/model").strip("\0")
        or (told.group(1) if told else "")
        or _read(root / "sys/devices/virtual/dmi/id/product_name")
        or "unknown"
    )


def _cpu(cpuinfo: str) -> str:
    """The names of the cores, each once: ``Cortex-A72``."""
    parts = zip(_values(cpuinfo, "CPU implementer"), _values(cpuinfo, "CPU part"))
    names = [_CORES.get(pair, "implementer {} part {}".format(*pair)) for pair in parts]
    return ", ".join(dict.fromkeys(names or _values(cpuinfo, "model name"))) or "unknown"


def _values(cpuinfo: str, key: str) -> list[str]:
    return re.findall(rf"^{key}\s*:\s*(.+)$", cpuinfo, re.MULTILINE)


def _system(root: Path) -> str:
    """The system's own name, and which image of Raspberry Pi OS it was installed from."""
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read(root / "etc/os-release"), re.MULTILINE)
    issue = _read(root / "etc/rpi-issue").partition("\n")[0]
    return ", ".join(filter(None, (name.group(1) if name else "unknown", issue)))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
