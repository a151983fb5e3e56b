// What a model must be before an interpreter is built of it, beyond what flatbuffers verifies.
#ifndef TFLITE_WHEELHOUSE_NATIVE_MODEL_CHECK_H_
#define TFLITE_WHEELHOUSE_NATIVE_MODEL_CHECK_H_

#include "tensorflow/lite/core/api/error_reporter.h"
#include "tensorflow/lite/core/api/verifier.h"

namespace tflite_wheelhouse {

// Refuses models whose tensors, operators, subgraphs or signatures contradict each other. Its errors
// name the operator or the tensor, and the field.
class ModelCheck : public tflite::TfLiteVerifier {
 public:
  bool Verify(const char* data, int length, tflite::ErrorReporter* reporter) override;
};

}  // namespace tflite_wheelhouse

#endif  // TFLITE_WHEELHOUSE_NATIVE_MODEL_CHECK_H_
