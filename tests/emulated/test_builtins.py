from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.compiler import compiler, environment
from wheelhouse.common.root import ROOT
from wheelhouse.compile import toolchain
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems

NAMES = ("uldivmod", "ldivmod", "ul2d", "l2d", "ul2f", "l2f", "d2ulz", "d2lz", "f2ulz", "f2lz")
CHECK = r"""
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>

// Where Arm's procedure call standard returns such a vector, divisions return their two results.
typedef uint64_t Pair __attribute__((vector_size(16)));
#define AEABI extern "C" __attribute__((pcs("aapcs")))
#define BOTH(result, name, ...) \
  AEABI result our___aeabi_##name(__VA_ARGS__); \
  AEABI result __aeabi_##name(__VA_ARGS__);
BOTH(Pair, uldivmod, uint64_t, uint64_t)
BOTH(Pair, ldivmod, int64_t, int64_t)
BOTH(double, ul2d, uint64_t)
BOTH(double, l2d, int64_t)
BOTH(float, ul2f, uint64_t)
BOTH(float, l2f, int64_t)
BOTH(uint64_t, d2ulz, double)
BOTH(int64_t, d2lz, double)
BOTH(uint64_t, f2ulz, float)
BOTH(int64_t, f2lz, float)
AEABI _Complex float our___mulsc3(float, float, float, float);

template <typename T> int differ(const T& one, const T& other) {
  return std::memcmp(&one, &other, sizeof one) != 0;
}
#define DIFFER(name, ...) differ(our___aeabi_##name(__VA_ARGS__), __aeabi_##name(__VA_ARGS__))

int main() {
  std::mt19937_64 random(1);
  int quotients = 0, to_floats = 0, from_floats = 0;
  const auto any = [&] {
    uint64_t value = random() >> random() % 64;
    if (random() % 4 == 0) value = ~value;                         // near 0 from below
    if (random() % 4 == 0) value = (value & ~uint64_t{0xFFF}) + random() % 3 - 1;  // a tie, nearly
    return value;
  };
  for (int turn = 0; turn < 100000; ++turn) {
    const uint64_t dividend = any();
    uint64_t divisor = any();
    if (divisor == 0) divisor = 1;
    quotients += DIFFER(uldivmod, dividend, divisor);
    if ((int64_t)dividend != INT64_MIN || (int64_t)divisor != -1) {
      quotients += DIFFER(ldivmod, (int64_t)dividend, (int64_t)divisor);
    }
    const uint64_t integer = any();
    to_floats += DIFFER(ul2d, integer) + DIFFER(l2d, (int64_t)integer);
    to_floats += DIFFER(ul2f, integer) + DIFFER(l2f, (int64_t)integer);
    const double real = std::ldexp((int64_t)random() * 0x1p-63, (int)(random() % 140) - 70);
    from_floats += DIFFER(d2ulz, real) + DIFFER(d2lz, real);
    from_floats += DIFFER(f2ulz, (float)real) + DIFFER(f2lz, (float)real);
  }
  for (double real : {0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 0x1p31, 0x1p32, -0x1p32, 0x1p63, -0x1p63,
                      0x1.fffffffffffffp62, 0x1p64, -0x1p64, 0x1.fffffffffffffp63, 1e300, -1e300,
                      (double)INFINITY, -(double)INFINITY}) {
    from_floats += DIFFER(d2ulz, real) + DIFFER(d2lz, real);
    from_floats += DIFFER(f2ulz, (float)real) + DIFFER(f2lz, (float)real);
  }
  // 64-bit Arm's instructions make 0 of NaN, the compiler's functions the greatest integer.
  const bool zero = !our___aeabi_d2ulz(NAN) && !our___aeabi_d2lz(NAN) &&
                    !our___aeabi_f2ulz(NAN) && !our___aeabi_f2lz(NAN);
  std::printf("%d %d %d %d\n", quotients, to_floats, from_floats, !zero);
}
"""


def test_arithmetic_of_64_bits_on_32_bit_arm_equals_the_compilers(
    tmp_path: Path, fetcher: Fetcher
) -> None:
    tools = compiler(fetcher.store, "armv7l")
    (tmp_path / "check.cc").write_text(CHECK)
    env = {**os.environ, **environment()}
    compiled = [str(tools.cxx), *toolchain.COMPILE_FLAGS, "-c"]
    renamed = [f"-D__aeabi_{name}=our___aeabi_{name}" for name in NAMES]
    ours = [*compiled, *renamed, "-D__mulsc3=our___mulsc3", str(ROOT / "native" / "builtins.cc")]
    linked = [str(tools.cxx), "-O2", "check.o", "builtins.o", "-o", "check"]
    for words in (ours, [*compiled, "check.cc"], linked):
        subprocess.run(words, cwd=tmp_path, env=env, check=True)
    work = tmp_path / "home"
    work.mkdir()
    (tmp_path / "check").rename(work / "check")
    tree = rootfs.tree(systems.system("bookworm", "armv7l"), fetcher.store)
    done = qemu.run(["./check"], tree=tree, board=systems.board("Raspberry Pi 2"), work=work)
    assert (done.status, done.stdout) == (0, "0 0 0 0\n"), done.stderr
