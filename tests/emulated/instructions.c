/* Prints which extensions of x86-64 this processor runs, and which it says that it has. */
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

static sigjmp_buf refused;

static void refuse(int signal) { siglongjmp(refused, signal); }

#define TRY(name, instruction)                      \
  if (!sigsetjmp(refused, 1)) {                     \
    __asm__ volatile(instruction ::: "xmm0");       \
    printf(" " name);                               \
  }
#define TELL(name, bit) if (features >> bit & 1) printf(" " name);

int main(void) {
  unsigned a, b, features, d;
  __get_cpuid(1, &a, &b, &features, &d);
  signal(SIGILL, refuse);
  printf("ran");
  TRY("sse3", "haddps %%xmm0, %%xmm0")
  TRY("ssse3", "pabsb %%xmm0, %%xmm0")
  TRY("sse4_1", "pminud %%xmm0, %%xmm0")
  TRY("sse4_2", "pcmpgtq %%xmm0, %%xmm0")
  TRY("avx", "vaddps %%xmm0, %%xmm0, %%xmm0")
  printf("\nhas");
  TELL("sse3", 0) TELL("ssse3", 9) TELL("sse4_1", 19) TELL("sse4_2", 20) TELL("avx", 28)
  printf("\n");
  return 0;
}
