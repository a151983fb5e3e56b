// XNNPACK's options: those of a program, or those of the environment.
#ifndef TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_
#define TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_

#include <functional>
#include <memory>
#include <string>

#include "tensorflow/lite/core/c/common.h"
#include "weight_cache.h"

namespace tflite_wheelhouse {

struct XnnpackOptions {
  int num_threads = 0;  // 0: none given
  bool fp16 = false;
  WeightCacheOptions weights;

  // Whether XNNPACK's delegate is made otherwise than by default.
  bool delegate() const { return fp16 || weights.any(); }
};

// Makes a delegate for an interpreter, which then owns it.
using XnnpackCreator =
    std::function<std::unique_ptr<TfLiteDelegate, void (*)(TfLiteDelegate*)>(TfLiteContext*)>;

// The options of a delegate that this library's tflite_plugin_create_delegate() made; null for any
// other delegate. The delegate carries options and computes nothing: it may be destroyed at any time.
const XnnpackOptions* XnnpackOptionsOf(const TfLiteDelegate* delegate);

// TFLITE_NUM_THREADS, TFLITE_XNNPACK_PRECISION and TFLITE_XNNPACK_WEIGHT_CACHE. A wrong value is
// ignored, with one warning to standard error.
XnnpackOptions XnnpackOptionsOfEnvironment();

// Makes XNNPACK's delegate; a library without XNNPACK makes null.
XnnpackCreator XnnpackWith(const XnnpackOptions& options);

// Writes a warning to standard error, unless this process wrote the same before. The GIL is held.
void WarnOnce(const std::string& warning);

}  // namespace tflite_wheelhouse

#endif  // TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_
