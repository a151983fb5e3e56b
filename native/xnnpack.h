// XNNPACK's options: those of a program, or those of the environment.
#ifndef TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_
#define TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_

#include <functional>
#include <memory>

#include "tensorflow/lite/core/c/common.h"

namespace tflite_wheelhouse {

struct XnnpackOptions {
  int num_threads = 0;  // 0: none given
  bool fp16 = false;
};

// Makes a delegate for an interpreter, which then owns it.
using XnnpackCreator =
    std::function<std::unique_ptr<TfLiteDelegate, void (*)(TfLiteDelegate*)>(TfLiteContext*)>;

// The options of a delegate that this library's tflite_plugin_create_delegate() made; null for any
// other delegate. The delegate carries options and computes nothing: it may be destroyed at any time.
const XnnpackOptions* XnnpackOptionsOf(const TfLiteDelegate* delegate);

// TFLITE_NUM_THREADS and TFLITE_XNNPACK_PRECISION. A wrong value is ignored, with one warning to
// standard error.
XnnpackOptions XnnpackOptionsOfEnvironment();

// Makes XNNPACK's delegate; a library without XNNPACK makes null.
XnnpackCreator XnnpackWith(const XnnpackOptions& options);

}  // namespace tflite_wheelhouse

#endif  // TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_
