// XNNPACK's delegate with options: those of a program, or those of the environment.
#ifndef TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_
#define TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_

#include <functional>
#include <memory>

#include "tensorflow/lite/core/c/common.h"

namespace tflite_wheelhouse {

// What an interpreter makes the delegate with that it applies by itself.
using Creator =
    std::function<std::unique_ptr<TfLiteDelegate, void (*)(TfLiteDelegate*)>(TfLiteContext*)>;

// Whether tflite_plugin_create_delegate() of this library made the delegate.
bool IsXnnpack(const TfLiteDelegate* delegate);

// The number of threads that such a delegate was made with; 0 if with none.
int XnnpackThreads(const TfLiteDelegate* delegate);

// Hands on such a delegate, which stays its owner's.
Creator XnnpackLent(TfLiteDelegate* delegate);

// Makes a delegate as TFLITE_XNNPACK_... in the environment say; null if they say nothing. A wrong
// value is ignored, with one warning to standard error.
Creator XnnpackOfEnvironment();

// TFLITE_NUM_THREADS in the environment, 1 or more; 0 if there is none. Warns likewise.
int ThreadsOfEnvironment();

}  // namespace tflite_wheelhouse

#endif  // TFLITE_WHEELHOUSE_NATIVE_XNNPACK_H_
