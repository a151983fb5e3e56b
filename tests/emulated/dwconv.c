/* Computes rows of depthwise convolutions with XNNPACK's kernels: a row at once, where pixels are taken in pairs, and
 * pixel by pixel. Prints how many results are the same, and ends with the sizes of the first that is not. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/xnnpack/dwconv.h"
#include "src/xnnpack/microparams.h"

enum { CHANNELS = 40, PIXELS = 7, COLUMNS = 24, AROUND = 64, OFFSET = 256 };

static uint32_t random32(void) {
  static uint32_t state = 1;
  return state = state * 1664525 + 1013904223;
}

/* Newer kernels have an argument more: the bytes that a pixel's inputs lie further right, always 0 here. */
typedef void with_stride(size_t, size_t, const void **, const void *, void *, intptr_t, size_t, size_t, size_t,
                         const void *, const void *);
typedef void without_stride(size_t, size_t, const void **, const void *, void *, intptr_t, size_t, size_t,
                            const void *, const void *);
#define HAS_STRIDE                                                                                                  \
  _Generic(&xnn_qs8_qc8w_dwconv_minmax_fp32_ukernel_9p16c__neonv8_mla8_ld64,                                        \
      void (*)(size_t, size_t, const int8_t **, const void *, int8_t *, intptr_t, size_t, size_t, size_t,           \
               const int8_t *, const union xnn_qs8_qc8w_conv_minmax_params *): 1,                                   \
      default: 0)

struct kernel {
  const char *name;
  void (*compute)(void);
  size_t size, height, tile, extra; /* bytes of a value; taps of a column; channels and bytes of a block of weights */
};
static const struct kernel kernels[] = {
    {"FP32 3x3", (void (*)(void)) xnn_f32_dwconv_minmax_ukernel_9p8c__neonfma, 4, 3, 8, 32},
    {"FP32 5x5", (void (*)(void)) xnn_f32_dwconv_minmax_ukernel_25p8c__neonfma_acc2, 4, 5, 8, 32},
    {"FP16 3x3", (void (*)(void)) xnn_f16_dwconv_minmax_ukernel_9p16c__neonfp16arith, 2, 3, 16, 32},
    {"FP16 5x5", (void (*)(void)) xnn_f16_dwconv_minmax_ukernel_25p8c__neonfp16arith_acc2, 2, 5, 8, 16},
    {"INT8 3x3", (void (*)(void)) xnn_qs8_qc8w_dwconv_minmax_fp32_ukernel_9p16c__neonv8_mla8_ld64, 1, 3, 16, 128},
    {"INT8 5x5", (void (*)(void)) xnn_qs8_qc8w_dwconv_minmax_fp32_ukernel_25p16c__neonv8_mla8_ld64, 1, 5, 16, 128},
};

static void compute(const struct kernel *kernel, size_t channels, size_t pixels, const void **input,
                    const void *weights, void *output, size_t columns, size_t gap, const void *zero,
                    const void *params) {
  const intptr_t stride = (intptr_t) (columns * kernel->height * sizeof(void *));
  if (HAS_STRIDE) {
    ((with_stride *) kernel->compute)(channels, pixels, input, weights, output, stride, gap, OFFSET, 0, zero, params);
  } else {
    ((without_stride *) kernel->compute)(channels, pixels, input, weights, output, stride, gap, OFFSET, zero, params);
  }
}

static float small(void) { return ((int) (random32() >> 20) - 2048) / 512.0f; }

/* A half-precision number of 0.125 to 4, or its negative. */
static uint16_t half(void) { return (uint16_t) ((random32() >> 16 & 0x83FF) | (12 + random32() % 5) << 10); }

static void fill(void *memory, size_t bytes, size_t size) {
  for (size_t at = 0; at < bytes / size; at++) {
    if (size == 4) {
      ((float *) memory)[at] = small();
    } else if (size == 2) {
      ((uint16_t *) memory)[at] = half();
    } else {
      ((int8_t *) memory)[at] = (int8_t) (random32() >> 24);
    }
  }
}

static size_t same(const struct kernel *kernel, size_t channels, size_t pixels, size_t columns, size_t gap) {
  const size_t size = kernel->size, taps = kernel->height * kernel->height, height = kernel->height;
  const size_t blocks = (channels + kernel->tile - 1) / kernel->tile;
  const size_t block = kernel->extra + kernel->tile * taps * size;
  union xnn_qs8_qc8w_conv_minmax_params eight;
  struct {
    float min, max;
  } floats = {-20, 30};
  const struct {
    uint16_t min, max;
  } halves = {0xCD00, 0x4F80}; /* the same numbers */
  memset(&eight, 0, sizeof eight);
  eight.fp32_neonv8.output_zero_point = -3;
  eight.fp32_neonv8.output_min = -100;
  eight.fp32_neonv8.output_max = 90;
  const void *params = size == 4 ? (const void *) &floats : size == 2 ? (const void *) &halves : &eight;

  char *weights = malloc(blocks * block + AROUND);
  for (size_t at = 0; at < blocks; at++) {
    char *here = weights + at * block;
    if (size != 1) {
      fill(here, block, size);
      continue;
    }
    for (size_t lane = 0; lane < kernel->tile; lane++) {
      ((int32_t *) here)[lane] = (int32_t) (random32() >> 20) - 2048;
      ((float *) (here + kernel->tile * (4 + taps)))[lane] = (float) (random32() >> 16) / (65536 * 64.0f);
    }
    for (size_t tap = 0; tap < kernel->tile * taps; tap++) {
      here[kernel->tile * 4 + tap] = (char) ((int) (random32() >> 24) % 255 - 127);
    }
  }
  const size_t inputs = (channels + AROUND) * size;
  char *values = malloc(COLUMNS * height * inputs + OFFSET), *zero = calloc(1, inputs + OFFSET);
  fill(values, COLUMNS * height * inputs + OFFSET, size);
  const void *pointers[COLUMNS * 5];
  for (size_t at = 0; at < COLUMNS * height; at++) {
    pointers[at] = random32() >> 30 ? values + at * inputs : zero;
  }
  const size_t step = channels * size + gap, bytes = pixels * step + AROUND;
  char *row = malloc(bytes), *single = malloc(bytes);
  memset(row, 0xA5, bytes);
  memset(single, 0xA5, bytes);
  compute(kernel, channels, pixels, pointers, weights, row, columns, gap, zero, params);
  for (size_t pixel = 0; pixel < pixels; pixel++) {
    compute(kernel, channels, 1, pointers + pixel * columns * height, weights, single + pixel * step, columns, gap,
            zero, params);
  }
  if (memcmp(row, single, bytes) != 0) {
    printf("%s: %zu channels, %zu pixels, %zu columns, %zu bytes between\n", kernel->name, channels, pixels, columns,
           gap);
    exit(1);
  }
  free(weights), free(values), free(zero), free(row), free(single);
  return pixels * channels;
}

int main(void) {
  size_t right = 0;
  for (size_t at = 0; at < sizeof kernels / sizeof *kernels; at++)
    for (size_t channels = 1; channels <= CHANNELS; channels++)
      for (size_t pixels = 1; pixels <= PIXELS; pixels++)
        for (size_t columns = 1; columns <= 3; columns++)
          for (size_t gap = 0; gap <= 8; gap += 8) right += same(&kernels[at], channels, pixels, columns, gap);
  printf("%zu\n", right);
  return 0;
}
