/* Packs FP32 weights of many sizes with XNNPACK's functions for blocks of 8 rows, of products and of convolutions, and
 * compares each with the weight that it stands for. Prints how many were right, and the sizes of the first that was not. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint32_t u32;
enum { ROWS = 8 };
static const u32 untouched = 0xA5A5A5A5;
void xnn_x32_packw_gemm_goi_ukernel_x8__neon_ld4lane_u4_prfm(size_t groups, size_t rows, size_t columns, size_t nr,
                                                             size_t kr, size_t sr, const u32 *weights, const u32 *bias,
                                                             const void *scale, u32 *packed, size_t extra_bytes,
                                                             const void *params);

void xnn_pack_f32_conv_goki_w(size_t groups, size_t rows, size_t pixels, size_t channels, size_t nr, size_t kr,
                              size_t sr, const u32 *weights, const u32 *bias, const void *scale, u32 *packed,
                              size_t extra_bytes, const void *params);

static u32 *numbers(size_t count) {
  static u32 state = 1;
  u32 *made = malloc((count + 1) * sizeof *made);
  for (size_t place = 0; place < count; place++) made[place] = state = state * 1664525 + 1013904223;
  return made;
}

/* How many weights and biases are where they should be; ends the program if one is not. The columns of a convolution
 * are those of 3 x 3 pixels, or of one. */
static size_t packed_right(int conv, size_t groups, size_t rows, size_t columns, int biased) {
  const size_t blocks = (rows + ROWS - 1) / ROWS, block = ROWS * (columns + 1), size = groups * blocks * block;
  u32 *weights = numbers(groups * rows * columns), *bias = numbers(groups * rows);
  u32 *packed = malloc((size + ROWS) * sizeof *packed);
  memset(packed, 0xA5, (size + ROWS) * sizeof *packed);
  if (conv) {
    const size_t pixels = columns % 9 ? 1 : 9;
    xnn_pack_f32_conv_goki_w(groups, rows, pixels, columns / pixels, ROWS, 1, 1, weights, bias, NULL, packed, 0, NULL);
  } else {
    xnn_x32_packw_gemm_goi_ukernel_x8__neon_ld4lane_u4_prfm(groups, rows, columns, ROWS, 1, 1, weights,
                                                            biased ? bias : NULL, NULL, packed, 0, NULL);
  }
  size_t right = 0;
  for (size_t row = 0; row < groups * rows; row++) {
    const size_t group = row / rows, in_group = row % rows;
    const u32 *found = packed + (group * blocks + in_group / ROWS) * block + in_group % ROWS;
    int wrong = *found != (biased ? bias[row] : 0);
    for (size_t column = 0; column < columns; column++)
      wrong |= found[ROWS * (column + 1)] != weights[row * columns + column];
    for (size_t place = size; place < size + ROWS; place++) wrong |= packed[place] != untouched;
    if (wrong) {
      printf("%s: %zu groups, %zu x %zu, row %zu\n", conv ? "convolution" : "product", groups, rows, columns, row);
      exit(1);
    }
    right += columns + 1;
  }
  free(weights), free(bias), free(packed);
  return right;
}

int main(void) {
  size_t right = 0;
  for (size_t groups = 1; groups <= 3; groups++)
    for (size_t rows = 1; rows <= 33; rows++)
      for (size_t columns = 1; columns <= 40; columns++)
        right += packed_right(0, groups, rows, columns, 0) + packed_right(0, groups, rows, columns, 1) +
                 packed_right(1, groups, rows, columns, 1);
  printf("%zu\n", right);
}
