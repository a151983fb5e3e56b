// The functions that the compiler calls and libc does not have.
//
// zig's own library of them is one object, which also has memcpy, memset, exp and others. They
// would take the place of libc's, which are faster, so nothing is linked with it (-rtlib=none).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>

// The quotient of integers that the processor cannot divide, but those of type Half it can. The
// dividend becomes the remainder. The divisor is not 0.
template <typename Half, typename Whole>
static Whole Divide(Whole& dividend, Whole divisor) {
  constexpr int kHalf = std::numeric_limits<Half>::digits;
  if ((dividend | divisor) >> kHalf == 0) {
    const Half small = static_cast<Half>(dividend), by = static_cast<Half>(divisor);
    dividend = small % by;
    return small / by;
  }
  const auto bits = [](Whole value) {
    const auto high = static_cast<uint64_t>(value >> kHalf), low = static_cast<uint64_t>(value);
    return high ? kHalf + 64 - __builtin_clzll(high) : 64 - __builtin_clzll(low | 1);
  };
  Whole quotient = 0;
  for (int shift = bits(dividend) - bits(divisor); shift >= 0; --shift) {
    quotient <<= 1;
    if (dividend >= divisor << shift) {
      dividend -= divisor << shift;
      quotient |= 1;
    }
  }
  return quotient;
}

extern "C" {

#ifdef __SIZEOF_INT128__

unsigned __int128 __udivti3(unsigned __int128 dividend, unsigned __int128 divisor) {
  return Divide<uint64_t>(dividend, divisor);
}

#elif defined(__ARM_EABI__)

// 32-bit Arm's run-time ABI: arithmetic of 64-bit integers. Floating-point numbers are passed in
// core registers. Conversions end at the nearest integer there is, as 64-bit Arm's do.
#define AEABI __attribute__((pcs("aapcs")))

__attribute__((used)) uint64_t DivideUnsigned(uint64_t dividend, uint64_t divisor,
                                              uint64_t* remainder) {
  const uint64_t quotient = Divide<uint32_t>(dividend, divisor);
  *remainder = dividend;
  return quotient;
}

__attribute__((used)) int64_t DivideSigned(int64_t dividend, int64_t divisor, int64_t* remainder) {
  const auto magnitude = [](int64_t value) {
    return value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  };
  uint64_t rest = 0;
  const uint64_t quotient = DivideUnsigned(magnitude(dividend), magnitude(divisor), &rest);
  *remainder = static_cast<int64_t>(dividend < 0 ? -rest : rest);
  return static_cast<int64_t>((dividend < 0) != (divisor < 0) ? -quotient : quotient);
}

// The quotient is returned in r0 and r1, the remainder in r2 and r3.
#define DIVIDE(function)    \
  asm("push {r11, lr}\n"    \
      "sub sp, sp, #16\n"   \
      "add r12, sp, #8\n"   \
      "str r12, [sp]\n"     \
      "bl " function "\n"   \
      "ldr r2, [sp, #8]\n"  \
      "ldr r3, [sp, #12]\n" \
      "add sp, sp, #16\n"   \
      "pop {r11, pc}\n")

__attribute__((naked)) void __aeabi_uldivmod() { DIVIDE("DivideUnsigned"); }

__attribute__((naked)) void __aeabi_ldivmod() { DIVIDE("DivideSigned"); }

constexpr double kHigh = 4294967296.0;  // 2 to the power of 32

// Either part is exact, so their sum is rounded once.
AEABI double __aeabi_ul2d(uint64_t value) {
  return static_cast<uint32_t>(value >> 32) * kHigh + static_cast<uint32_t>(value);
}

AEABI double __aeabi_l2d(int64_t value) {
  return static_cast<int32_t>(value >> 32) * kHigh + static_cast<uint32_t>(value);
}

// Bits that double has no room for become one that is not 0: it is float that rounds.
AEABI float __aeabi_ul2f(uint64_t value) {
  if (value >> 53 && value & 0x7FF) value = (value | 0x800) & ~uint64_t{0x7FF};
  return static_cast<float>(__aeabi_ul2d(value));
}

AEABI float __aeabi_l2f(int64_t value) {
  return value < 0 ? -__aeabi_ul2f(-static_cast<uint64_t>(value)) : __aeabi_ul2f(value);
}

AEABI uint64_t __aeabi_d2ulz(double value) {
  if (!(value > 0)) return 0;
  if (value >= kHigh * kHigh) return UINT64_MAX;
  const auto high = static_cast<uint32_t>(value / kHigh);
  return uint64_t{high} << 32 | static_cast<uint32_t>(value - high * kHigh);
}

AEABI int64_t __aeabi_d2lz(double value) {
  const uint64_t magnitude = __aeabi_d2ulz(std::fabs(value));
  if (value < 0) return magnitude >> 63 ? INT64_MIN : -static_cast<int64_t>(magnitude);
  return magnitude >> 63 ? INT64_MAX : static_cast<int64_t>(magnitude);
}

AEABI uint64_t __aeabi_f2ulz(float value) { return __aeabi_d2ulz(value); }

AEABI int64_t __aeabi_f2lz(float value) { return __aeabi_d2lz(value); }

#endif

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
