// The functions that the compiler calls and libc does not have.
//
// zig's own library of them is one object, which also has memcpy, memset, exp and others. They
// would take the place of libc's, which are faster, so nothing is linked with it (-rtlib=none).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

extern "C" {

// The quotient of 128-bit integers; the divisor is not 0.
unsigned __int128 __udivti3(unsigned __int128 dividend, unsigned __int128 divisor) {
  if (dividend <= UINT64_MAX && divisor <= UINT64_MAX) {
    return static_cast<uint64_t>(dividend) / static_cast<uint64_t>(divisor);
  }
  const auto bits = [](unsigned __int128 value) {
    const auto high = static_cast<uint64_t>(value >> 64), low = static_cast<uint64_t>(value);
    return high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll(low | 1);
  };
  unsigned __int128 quotient = 0;
  for (int shift = bits(dividend) - bits(divisor); shift >= 0; --shift) {
    quotient <<= 1;
    if (dividend >= divisor << shift) {
      dividend -= divisor << shift;
      quotient |= 1;
    }
  }
  return quotient;
}

// The product of complex numbers a + ib and c + id. An infinite factor makes it infinite also where
// the usual formula gives NaN, as the C standard's annex G asks.
_Complex float __mulsc3(float a, float b, float c, float d) {
  const float products[] = {a * c, b * d, a * d, b * c};
  float real = products[0] - products[1], imaginary = products[2] + products[3];
  const auto infinite = [](float value) { return std::isinf(value); };
  const bool left = infinite(a) || infinite(b), right = infinite(c) || infinite(d);
  const bool any = left || right || std::any_of(std::begin(products), std::end(products), infinite);
  if (std::isnan(real) && std::isnan(imaginary) && any) {
    // In an infinite factor infinity becomes 1 and the rest 0; in a finite one NaN becomes 0.
    const auto simplify = [](float& value, bool factor_is_infinite) {
      const float finite = std::isnan(value) ? 0 : value;
      value = std::copysign(factor_is_infinite ? std::isinf(value) : std::fabs(finite), value);
    };
    for (float* part : {&a, &b}) simplify(*part, left);
    for (float* part : {&c, &d}) simplify(*part, right);
    real = INFINITY * (a * c - b * d);
    imaginary = INFINITY * (a * d + b * c);
  }
  return __builtin_complex(real, imaginary);
}

}  // extern "C"
