/* Packs weights with XNNPACK's functions. Without arguments: many matrices of INT8 and of UINT8, and for each a
 * line with its sizes and a digest of what was written, the memory around it included. With the arguments nr, kr,
 * sr and int8 or uint8: one matrix of 1024 x 1024 in that layout. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { UNTOUCHED = 0xA5, SIZE = 1024, DEEP = 4112 };

struct zero_points {
  uint8_t input, kernel; /* INT8: an int8_t, and nothing */
};
typedef void pack_gemm(size_t g, size_t nc, size_t kc, size_t nr, size_t kr, size_t sr, const void *k,
                       const int32_t *b, const void *scale, void *packed, size_t extra_bytes,
                       const struct zero_points *);
typedef void pack_conv(size_t g, size_t nc, size_t ks, size_t kc, size_t nr, size_t kr, size_t sr, const void *k,
                       const int32_t *b, const void *scale, void *packed, size_t extra_bytes,
                       const struct zero_points *);
pack_gemm xnn_pack_qs8_gemm_goi_w, xnn_pack_qu8_gemm_goi_w;
pack_conv xnn_pack_qs8_conv_goki_w, xnn_pack_qu8_conv_goki_w;

static const struct type {
  const char *name;
  pack_gemm *gemm;
  pack_conv *conv;
  uint8_t greatest; /* by its amount */
  int padded;       /* with the zero point of the weights */
} types[] = {
    {"int8", xnn_pack_qs8_gemm_goi_w, xnn_pack_qs8_conv_goki_w, 0x80, 0},
    {"uint8", xnn_pack_qu8_gemm_goi_w, xnn_pack_qu8_conv_goki_w, 0xFF, 1},
};

struct layout {
  size_t nr, kr, sr;
};
static const struct layout layouts[] = {
    {16, 4, 1}, {8, 4, 1}, {8, 8, 1}, {16, 8, 1}, {16, 1, 1}, {8, 1, 1}, {8, 2, 4}, /* Arm's kernels */
    {4, 2, 1},  {4, 4, 2}, {8, 1, 8}, {8, 4, 4},  {2, 4, 1},  {6, 4, 1}, {4, 16, 1},
};
static const size_t channels[] = {1, 3, 4, 5, 8, 15, 16, 17, 33};
static const size_t depths[] = {1, 2, 3, 7, 8, 15, 16, 17, 24, 31, 32, 33, 63, 64};
static const size_t taps[] = {0, 1, 9}; /* 0: as a matrix, not as a convolution */
static const uint8_t zero_points[] = {128, 255, 0, 1, 127};

static uint32_t state = 1;

static uint32_t random32(void) { return state = state * 1664525 + 1013904223; }

static void *filled(size_t size) {
  uint8_t *bytes = malloc(size);
  for (size_t i = 0; i < size; i++) bytes[i] = random32() >> 24;
  return bytes;
}

static uint64_t digest(const uint8_t *bytes, size_t size) {
  uint64_t found = 14695981039346656037u;
  for (size_t i = 0; i < size; i++) found = (found ^ bytes[i]) * 1099511628211u;
  return found;
}

static void pack(const struct type *type, struct layout l, size_t g, size_t nc, size_t ks, size_t kc, int with_bias,
                 size_t extra, struct zero_points zero) {
  const size_t count = ks ? ks : 1, skr = l.sr * l.kr, padded = (kc + skr - 1) / skr * skr;
  const size_t blocks = (nc + l.nr - 1) / l.nr, size = g * blocks * (l.nr * (4 + count * padded) + extra);
  uint8_t *k = filled(g * nc * count * kc);
  if (kc == DEEP) memset(k, type->greatest, g * nc * kc); /* the greatest sums */
  int32_t *b = with_bias ? filled(g * nc * sizeof *b) : NULL;
  uint8_t *packed = memset(malloc(size + 128), UNTOUCHED, size + 128);
  memset(packed + 64, type->padded ? zero.kernel : 0, size); /* as XNNPACK's operators do */
  if (ks)
    type->conv(g, nc, ks, kc, l.nr, l.kr, l.sr, k, b, NULL, packed + 64, extra, &zero);
  else
    type->gemm(g, nc, kc, l.nr, l.kr, l.sr, k, b, NULL, packed + 64, extra, &zero);
  printf("%s x%zuc%zus%zu g=%zu nc=%zu ks=%zu kc=%zu bias=%d extra=%zu zero=%d,%d: %016llx\n", type->name, l.nr, l.kr,
         l.sr, g, nc, ks, kc, with_bias, extra, zero.input, zero.kernel,
         (unsigned long long)digest(packed, size + 128));
  free(k), free(b), free(packed);
}

static void pack_many(const struct type *type) {
  unsigned turn = 0;
  for (size_t l = 0; l < COUNT(layouts); l++) {
    pack(type, layouts[l], 1, 16, 0, DEEP, 0, 0, (struct zero_points){255, 128});
    for (size_t n = 0; n < COUNT(channels); n++)
      for (size_t d = 0; d < COUNT(depths); d++)
        for (size_t t = 0; t < COUNT(taps); t++, turn++) {
          const struct zero_points zero = {zero_points[turn % COUNT(zero_points)],
                                           zero_points[turn / 3 % COUNT(zero_points)]};
          pack(type, layouts[l], 1 + turn / 2 % 3, channels[n], taps[t], depths[d], turn % 2,
               turn % 4 < 2 ? 0 : 4 * layouts[l].nr, zero);
        }
  }
}

int main(int argc, char **argv) {
  if (argc == 5) {
    const struct layout chosen = {atoi(argv[1]), atoi(argv[2]), atoi(argv[3])};
    const struct type *type = &types[!strcmp(argv[4], "uint8")];
    uint8_t *k = calloc(SIZE, SIZE);
    void *packed = malloc((SIZE + 4) * SIZE);
    type->gemm(1, SIZE, SIZE, chosen.nr, chosen.kr, chosen.sr, k, NULL, NULL, packed, 0,
               &(struct zero_points){1, 1});
  } else
    for (size_t t = 0; t < COUNT(types); t++) pack_many(&types[t]);
  return 0;
}
