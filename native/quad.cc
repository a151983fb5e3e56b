// The comparisons of 128-bit floating-point numbers, long double on 64-bit Arm, that Arm NN calls
// and libc does not have; see builtins.cc.
#include <cstring>

namespace {

#ifdef __aarch64__
using Quad = long double;
#else
using Quad = __float128;
#endif

constexpr __int128 kSign = __int128{1} << 127, kInfinity = __int128{0x7FFF} << 112;

__int128 Bits(Quad value) {
  __int128 bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

bool IsNan(Quad value) { return (Bits(value) & ~kSign) > kInfinity; }

// In the order of the numbers; both zeros are the same.
__int128 Order(Quad value) {
  const __int128 bits = Bits(value), magnitude = bits & ~kSign;
  return bits < 0 ? -magnitude : magnitude;
}

}  // namespace

extern "C" {

int __unordtf2(Quad left, Quad right) { return IsNan(left) || IsNan(right); }

// Negative, zero or positive for less, equal and greater; positive if one is no number.
int __letf2(Quad left, Quad right) {
  if (__unordtf2(left, right)) return 1;
  return (Order(left) > Order(right)) - (Order(left) < Order(right));
}

int __eqtf2(Quad left, Quad right) { return __letf2(left, right); }

}  // extern "C"
