/* Has XNNPACK write the pointers from which convolutions read, of many sizes, and compares each with
 * the pixel that it stands for. Prints how many were right, and the sizes of the first that was not. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef const void **pointers;
void xnn_indirection_init_conv2d(size_t tile, size_t output_start, size_t output_end, pointers, const void *input,
                                 const void *zero, size_t pixel_stride, size_t input_height, size_t input_width,
                                 size_t output_height, size_t output_width, size_t kernel_height, size_t kernel_width,
                                 size_t stride_height, size_t stride_width, size_t dilation_height,
                                 size_t dilation_width, size_t padding_top, size_t padding_left);
void xnn_indirection_init_dwconv2d(size_t output_y_start, size_t output_y_end, pointers, const void *input,
                                   size_t pixel_stride, const void *zero, size_t input_height, size_t input_width,
                                   size_t output_height, size_t output_width, size_t kernel_height, size_t kernel_width,
                                   size_t stride_height, size_t stride_width, size_t dilation_height,
                                   size_t dilation_width, size_t padding_top, size_t padding_left, size_t step_height,
                                   size_t step_width, size_t primary_tile);

struct axis {
  size_t input, kernel, stride, dilation, before, output;
};
enum { PIXEL = 24, ZERO = 8, INPUT = 1 << 20 };
static const size_t tiles[] = {1, 2, 4, 6};
static unsigned right;

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* The pixel of an output's kernel element along an axis, or the input's size or more: none. */
static size_t pixel(struct axis a, size_t output, size_t element) {
  return output * a.stride + element * a.dilation - a.before;
}

static void expect(const void *found, struct axis y, struct axis x, size_t out_y, size_t out_x, size_t ky, size_t kx,
                   const char *kind) {
  const size_t py = pixel(y, out_y, ky), px = pixel(x, out_x, kx);
  const int inside = py < y.input && px < x.input;
  if ((uintptr_t)found != (inside ? INPUT + (py * x.input + px) * PIXEL : ZERO)) {
    printf("%s: input %zu x %zu, kernel %zu x %zu, stride %zu x %zu, dilation %zu x %zu, output %zu, %zu\n", kind,
           y.input, x.input, y.kernel, x.kernel, y.stride, x.stride, y.dilation, x.dilation, out_y, out_x);
    exit(1);
  }
  right++;
}

static void convolution(struct axis y, struct axis x, size_t tile) {
  const size_t outputs = y.output * x.output, kernel = y.kernel * x.kernel;
  const size_t padded = (outputs + tile - 1) / tile * tile;
  pointers buffer = calloc(padded * kernel, sizeof *buffer);
  xnn_indirection_init_conv2d(tile, 0, padded, buffer, (void *)INPUT, (void *)ZERO, PIXEL, y.input, x.input, y.output,
                              x.output, y.kernel, x.kernel, y.stride, x.stride, y.dilation, x.dilation, y.before,
                              x.before);
  for (size_t i = 0; i < padded; i++)
    for (size_t k = 0; k < kernel; k++) {
      const size_t output = smaller(i, outputs - 1);
      expect(buffer[i / tile * tile * kernel + k * tile + i % tile], y, x, output / x.output, output % x.output,
             k / x.kernel, k % x.kernel, "convolution");
    }
  free(buffer);
}

static void depthwise(struct axis y, struct axis x) {
  const size_t kernel = y.kernel * x.kernel, step = x.dilation == 1 ? smaller(x.stride, x.kernel) : x.kernel;
  const size_t row = kernel + (x.output - 1) * step * y.kernel, tile = kernel + 2;
  pointers buffer = calloc(y.output * row + tile, sizeof *buffer);
  xnn_indirection_init_dwconv2d(0, y.output, buffer, (void *)INPUT, PIXEL, (void *)ZERO, y.input, x.input, y.output,
                                x.output, y.kernel, x.kernel, y.stride, x.stride, y.dilation, x.dilation, y.before,
                                x.before, row, step, tile);
  for (size_t i = 0; i < y.output * x.output; i++)
    for (size_t k = 0; k < kernel; k++) {
      const size_t out_y = i / x.output, out_x = i % x.output, ky = k / x.kernel, kx = k % x.kernel;
      expect(buffer[out_y * row + (out_x * step + kx) * y.kernel + ky], y, x, out_y, out_x, ky, kx, "depthwise");
    }
  free(buffer);
}

/* An axis whose numbers are chosen by `turn`; all of them come, with every other axis. */
static struct axis axis(unsigned turn) {
  struct axis a = {1 + turn % 9, 1 + turn % 5, 1 + turn % 4, 1 + turn % 3, 0, 0};
  const size_t extent = (a.kernel - 1) * a.dilation + 1;
  const size_t padding = turn % 2 || extent > a.input ? extent - 1 : 0;
  a.before = padding / 2;
  a.output = (a.input + padding - extent) / a.stride + 1;
  return a;
}

int main(void) {
  for (unsigned turn = 0; turn < 180 * 29; turn++) {
    const struct axis y = axis(turn % 180), x = axis(turn % 29 * 37 % 180);
    convolution(y, x, tiles[turn % 4]);
    depthwise(y, x);
  }
  printf("%u\n", right);
  return 0;
}
