// Weights as XNNPACK packed them: kept in a file, or shared by the interpreters of a process.
//
// XNNPACK asks for packed weights by the addresses of the model's weights and a checksum of some
// parameters of packing. That is too little to know them by: two operators may have the same
// weights and differ in scale or zero point. So a request is known here by everything that packing
// depends on: the model's content, the nodes that are computed together, the shape and type of all
// tensors, the precision, this build and the CPU; and by its place among the requests for them.
#ifndef TFLITE_WHEELHOUSE_NATIVE_WEIGHT_CACHE_H_
#define TFLITE_WHEELHOUSE_NATIVE_WEIGHT_CACHE_H_

#include <memory>
#include <string>

#include "tensorflow/lite/core/c/common.h"

struct TfLiteXNNPackDelegateWeightsCache;

namespace tflite_wheelhouse {

struct WeightCacheOptions {
  std::string file;    // empty: none
  std::string folder;  // for a file that is named by its content; empty: none
  bool shared = false;

  bool any() const { return shared || !file.empty() || !folder.empty(); }
};

// The packed weights of one interpreter, which outlives its kernels.
class WeightCache {
 public:
  // Null for a model without weights. If a file cannot be used, weights are packed, and Finish() says
  // why.
  static std::unique_ptr<WeightCache> Make(TfLiteContext* context,
                                           const WeightCacheOptions& options);
  virtual ~WeightCache() = default;

  // What the options of XNNPACK's delegate take.
  virtual TfLiteXNNPackDelegateWeightsCache* provider() = 0;

  // Says what the next requests are for: one of the parts of a graph that XNNPACK computes.
  virtual void Begin(TfLiteContext* context, const TfLiteIntArray* all_nodes,
                     const TfLiteIntArray* nodes, bool fp16) = 0;

  // Forgets the weights that were packed since the last Finish().
  virtual void Forget() = 0;

  // The weights of a graph stay. After the last graph of a model the file is written if it lacks
  // weights; if that fails, or the file could not be used, one warning says why.
  virtual void Finish(bool last) = 0;
};

}  // namespace tflite_wheelhouse

#endif  // TFLITE_WHEELHOUSE_NATIVE_WEIGHT_CACHE_H_
