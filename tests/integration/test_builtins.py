from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.compiler import compiler, environment
from wheelhouse.common.root import ROOT
from wheelhouse.common.store import Store
from wheelhouse.compile import toolchain
from wheelhouse.targets import architectures

NAMES = ("__udivti3", "__mulsc3", "__unordtf2", "__letf2", "__eqtf2")
CHECK = r"""
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>

extern "C" unsigned __int128 our___udivti3(unsigned __int128, unsigned __int128);
extern "C" _Complex float our___mulsc3(float, float, float, float);
extern "C" unsigned __int128 __udivti3(unsigned __int128, unsigned __int128);
extern "C" _Complex float __mulsc3(float, float, float, float);

#define COMPARISON(name) \
  extern "C" int our_##name(__float128, __float128); \
  extern "C" int name(__float128, __float128);
COMPARISON(__unordtf2)
COMPARISON(__letf2)
COMPARISON(__eqtf2)

bool same(float one, float other) {
  return std::isnan(one) ? std::isnan(other) : std::memcmp(&one, &other, sizeof one) == 0;
}

int main() {
  std::mt19937_64 random(1);
  int quotients = 0, products = 0;
  for (int turn = 0; turn < 1000000; ++turn) {
    unsigned __int128 dividend = (unsigned __int128)random() << 64 | random(), divisor = random();
    dividend >>= random() % 128;
    divisor = (divisor << 64 | random()) >> random() % 128;
    if (divisor == 0) divisor = 1;
    quotients += our___udivti3(dividend, divisor) != __udivti3(dividend, divisor);
  }
  const float values[] = {0.f, -0.f, 1.f, -2.5f, 3e38f, -3e38f, 1e-40f, INFINITY, -INFINITY, NAN};
  for (float a : values) for (float b : values) for (float c : values) for (float d : values) {
    const _Complex float ours = our___mulsc3(a, b, c, d), theirs = __mulsc3(a, b, c, d);
    products += !same(__real ours, __real theirs) || !same(__imag ours, __imag theirs);
  }
  int comparisons = 0;
  const __float128 tiny = (__float128)1e-300 * 1e-300 * 1e-300;
  const __float128 quads[] = {0, -0.0, 1, -1, (__float128)1 + 1e-33, tiny, -tiny, 1 / tiny,
                              -1 / tiny, INFINITY, -INFINITY, NAN, -NAN};
  const auto sign = [](int value) { return (value > 0) - (value < 0); };
  for (__float128 a : quads) for (__float128 b : quads) {
    comparisons += !our___unordtf2(a, b) != !__unordtf2(a, b);
    comparisons += !our___eqtf2(a, b) != !__eqtf2(a, b);
    comparisons += sign(our___letf2(a, b)) != sign(__letf2(a, b));
  }
  std::printf("%d %d %d\n", quotients, products, comparisons);
}
"""


def test_our_builtins_equal_the_compilers(
    store: Store, tmp_path: Path, zig_cache: dict[str, str]
) -> None:
    tools = compiler(store, architectures.native().name)
    (tmp_path / "check.cc").write_text(CHECK)
    env = {**environment(), **zig_cache}
    compiled = [str(tools.cxx), *toolchain.COMPILE_FLAGS, "-c"]
    renamed = [f"-D{name}=our_{name}" for name in NAMES]
    sources = [ROOT / "native" / name for name in ("builtins.cc", "quad.cc")]
    ours = [[*compiled, *renamed, str(source)] for source in sources]
    linked = [str(tools.cc), "-O2", "check.o", "builtins.o", "quad.o", "-lm", "-o", "check"]
    for words in (*ours, [*compiled, "check.cc"], linked):
        subprocess.run(words, cwd=tmp_path, env=env, check=True)
    done = subprocess.run([tmp_path / "check"], capture_output=True, text=True, check=True)
    assert done.stdout == "0 0 0\n"
