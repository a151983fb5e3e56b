// XNNPACK's delegate with options, which are loaded as any external delegate is.
#include "xnnpack.h"

#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <deque>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "tensorflow/lite/core/subgraph.h"
#include "tensorflow/lite/minimal_logging.h"
#include "tensorflow/lite/tflite_with_xnnpack_optional.h"
#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE
#include "cpuinfo.h"
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"
#endif

namespace tflite_wheelhouse {
namespace {

// ---- Options -------------------------------------------------------------------------------

constexpr int kMostThreads = 1024;

// These throw std::invalid_argument.

int ParseThreads(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const long number = digits ? std::strtol(text.c_str(), nullptr, 10) : -1;
  if (number < 0 || number > kMostThreads) {
    throw std::invalid_argument("'" + text + "' is no number of threads: these are 0 to " +
                                std::to_string(kMostThreads) + ", and 0 means 1");
  }
  return number ? static_cast<int>(number) : 1;
}

bool ParseFp16(const std::string& text) {
  if (text != "fp32" && text != "fp16") {
    throw std::invalid_argument("'" + text + "' is no precision: these are fp32, fp16");
  }
  return text == "fp16";
}

std::string ParseFolder(const std::string& text) {
  struct stat status;
  char resolved[PATH_MAX];
  const bool found = realpath(text.c_str(), resolved) && stat(resolved, &status) == 0;
  if (!found || !S_ISDIR(status.st_mode)) {
    throw std::invalid_argument("'" + text + "' is no folder");
  }
  return resolved;
}

bool ParseBool(const std::string& text) {
  if (text != "True" && text != "False") {
    throw std::invalid_argument("'" + text + "' is neither True nor False");
  }
  return text == "True";
}

void Set(XnnpackOptions& options, const std::string& key, const std::string& value) {
  if (key == "num_threads") {
    options.num_threads = ParseThreads(value);
  } else if (key == "precision") {
    options.fp16 = ParseFp16(value);
  } else if (key == "weight_cache") {
    options.weights.file = value;
  } else if (key == "share_weights") {
    options.weights.shared = ParseBool(value);
  } else {
    throw std::invalid_argument("'" + key +
                                "' is no option of XNNPACK: these are num_threads, precision, "
                                "weight_cache, share_weights");
  }
}

template <typename Value>
void SetFromEnvironment(Value& option, const char* variable, Value (*parse)(const std::string&)) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return;
  try {
    option = parse(text);
  } catch (const std::invalid_argument& error) {
    WarnOnce(std::string(variable) + " is ignored: " + error.what());
  }
}

// What a program holds as its delegate.
struct Handle {
  TfLiteDelegate base = TfLiteDelegateCreate();
  XnnpackOptions options;
};

TfLiteStatus RefuseToPrepare(TfLiteContext* context, TfLiteDelegate*) {
  context->ReportError(context, "This delegate is for interpreters of its own tflite_runtime.");
  return kTfLiteError;
}

// ---- FP16 and packed weights ---------------------------------------------------------------

#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE

using Owned = std::unique_ptr<TfLiteDelegate, void (*)(TfLiteDelegate*)>;

// Whether a model with such a tensor is computed as without options: XNNPACK has no quantised
// operators in a graph of FP16, and subgraphs that share a variable have to agree on its type.
bool ForbidsFp16(const TfLiteTensor& tensor) {
  if (tensor.type == kTfLiteFloat32 || tensor.type == kTfLiteFloat16) return false;
  return tensor.type == kTfLiteResource || tensor.quantization.type != kTfLiteNoQuantization;
}

bool ForbidsFp16(TfLiteContext* context) {
  for (const auto& subgraph : *static_cast<tflite::Subgraph*>(context->impl_)->GetSubgraphs()) {
    for (size_t index = 0; index < subgraph->tensors_size(); ++index) {
      if (ForbidsFp16(*subgraph->tensor(static_cast<int>(index)))) return true;
    }
  }
  return false;
}

// Whether XNNPACK has kernels for FP16 on this CPU.
bool HasFp16() {
  if (!cpuinfo_initialize()) return false;
#if defined(__aarch64__) || defined(__arm__)
  return cpuinfo_has_arm_neon_fp16_arith();
#else
  return cpuinfo_has_x86_avx2();
#endif
}

bool CanUseFp16(TfLiteContext* context) {
  if (ForbidsFp16(context)) return false;
  if (HasFp16()) return true;
  TFLITE_LOG_PROD_ONCE(tflite::TFLITE_LOG_WARNING,
                       "This CPU has no FP16 arithmetic: XNNPACK computes in FP32.");
  return false;
}

// The change of a graph: all kernels are made before it.
struct Change {
  TfLiteDelegate* delegate;  // as which the graph knows it
  bool fp16;                 // all kernels can be made, or nothing is changed
  WeightCache* weights;      // or null
  decltype(TfLiteContext::ReplaceNodeSubsetsWithDelegateKernels) replace;
  std::deque<void*> kernels;  // null: could not be made
  bool done = false;
};

thread_local Change* change = nullptr;

void ReportNothing(TfLiteContext*, const char*, ...) {}

void* TakeKernel(TfLiteContext*, const char*, size_t) {
  if (change->kernels.empty()) return nullptr;
  void* kernel = change->kernels.front();
  change->kernels.pop_front();
  return kernel;
}

// XNNPACK's delegate calls this when it knows which nodes it takes.
TfLiteStatus MakeKernelsAndReplace(TfLiteContext* context, TfLiteRegistration calls,
                                   const TfLiteIntArray* nodes, TfLiteDelegate* xnnpack) {
  int count = 0;
  TfLiteDelegateParams* parts = nullptr;
  TfLiteStatus status = context->PreviewDelegatePartitioning(context, nodes, &parts, &count);
  if (status != kTfLiteOk) return status;
  std::deque<void*>& kernels = change->kernels;
  const auto report = context->ReportError;
  if (change->fp16) context->ReportError = ReportNothing;
  for (int part = 0; part < count; ++part) {
    TfLiteDelegateParams parameters = parts[part];
    parameters.delegate = xnnpack;
    if (change->weights) {
      change->weights->Begin(context, nodes, parameters.nodes_to_replace, change->fp16);
    }
    kernels.push_back(calls.init(context, reinterpret_cast<char*>(&parameters), 0));
  }
  context->ReportError = report;
  const bool complete = std::count(kernels.begin(), kernels.end(), nullptr) == 0;
  if (complete || !change->fp16) {
    change->done = true;
    calls.init = TakeKernel;
    status = change->replace(context, calls, nodes, change->delegate);
  }
  for (void* kernel : kernels) {
    if (kernel) calls.free(context, kernel);
  }
  return status;
}

Owned MakeXnnpack(TfLiteContext* context, uint32_t flags, WeightCache* weights) {
  TfLiteXNNPackDelegateOptions options = TfLiteXNNPackDelegateOptionsDefault();
  options.flags |= flags;
  if (weights) options.weights_cache = weights->provider();
  return {TfLiteXNNPackDelegateCreateWithThreadpool(&options, context),
          TfLiteXNNPackDelegateDelete};
}

// XNNPACK with options for one interpreter: in FP16, or in FP32 for a graph that it cannot compute
// in FP16.
class DelegateWithOptions {
 public:
  static Owned Make(TfLiteContext* context, const XnnpackOptions& options) {
    auto weights = WeightCache::Make(context, options.weights);
    Owned fp16(nullptr, TfLiteXNNPackDelegateDelete);
    if (options.fp16 && CanUseFp16(context)) {
      fp16 = MakeXnnpack(context, TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16, weights.get());
    }
    Owned fp32 = MakeXnnpack(context, 0, weights.get());
    if (!fp32 || (!fp16 && !weights)) return fp32;
    const auto made =
        new DelegateWithOptions(std::move(weights), std::move(fp16), std::move(fp32));
    return {&made->base_, [](TfLiteDelegate* base) { delete Of(base); }};
  }

 private:
  DelegateWithOptions(std::unique_ptr<WeightCache> weights, Owned fp16, Owned fp32)
      : weights_(std::move(weights)), fp16_(std::move(fp16)), fp32_(std::move(fp32)) {
    base_.data_ = this;
    base_.flags = fp32_->flags;
    base_.Prepare = [](TfLiteContext* context, TfLiteDelegate* base) {
      return Of(base)->Prepare(context);
    };
  }

  // A last graph that no delegate is for was not prepared.
  ~DelegateWithOptions() {
    if (weights_) weights_->Finish(true);
  }

  static DelegateWithOptions* Of(TfLiteDelegate* base) {
    return static_cast<DelegateWithOptions*>(base->data_);
  }

  TfLiteStatus Prepare(TfLiteContext* context) {
    TfLiteStatus status = kTfLiteOk;
    const bool done = fp16_ && Prepare(context, true, *fp16_, status);
    if (!done) {
      if (weights_) weights_->Forget();
      Prepare(context, false, *fp32_, status);
    }
    if (weights_) {
      auto* const graph = static_cast<tflite::Subgraph*>(context->impl_);
      weights_->Finish(graph == graph->GetSubgraphs()->back().get());
    }
    return status;
  }

  // Returns whether the graph was changed.
  bool Prepare(TfLiteContext* context, bool fp16, TfLiteDelegate& xnnpack, TfLiteStatus& status) {
    Change wanted{&base_, fp16, weights_.get(), context->ReplaceNodeSubsetsWithDelegateKernels, {}};
    change = &wanted;
    context->ReplaceNodeSubsetsWithDelegateKernels = MakeKernelsAndReplace;
    status = xnnpack.Prepare(context, &xnnpack);
    context->ReplaceNodeSubsetsWithDelegateKernels = wanted.replace;
    change = nullptr;
    return wanted.done;
  }

  TfLiteDelegate base_ = TfLiteDelegateCreate();
  const std::unique_ptr<WeightCache> weights_;
  const Owned fp16_, fp32_;
};

#endif  // TFLITE_BUILD_WITH_XNNPACK_DELEGATE

}  // namespace

const XnnpackOptions* XnnpackOptionsOf(const TfLiteDelegate* delegate) {
  const bool ours = delegate && delegate->Prepare == RefuseToPrepare;
  return ours ? &static_cast<Handle*>(delegate->data_)->options : nullptr;
}

XnnpackOptions XnnpackOptionsOfEnvironment() {
  XnnpackOptions options;
  SetFromEnvironment(options.num_threads, "TFLITE_NUM_THREADS", ParseThreads);
  SetFromEnvironment(options.fp16, "TFLITE_XNNPACK_PRECISION", ParseFp16);
  SetFromEnvironment(options.weights.folder, "TFLITE_XNNPACK_WEIGHT_CACHE", ParseFolder);
  return options;
}

XnnpackCreator XnnpackWith(const XnnpackOptions& options) {
  return [options](TfLiteContext* context) {
#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE
    if (options.delegate()) return DelegateWithOptions::Make(context, options);
#endif
    return tflite::MaybeCreateXNNPACKDelegate(context, tflite::XNNPackQS8Options::default_value);
  };
}

void WarnOnce(const std::string& warning) {
  static auto& warnings = *new std::set<std::string>;
  if (warnings.insert(warning).second) {
    TFLITE_LOG_PROD(tflite::TFLITE_LOG_WARNING, "%s", warning.c_str());
  }
}

}  // namespace tflite_wheelhouse

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED TfLiteDelegate* tflite_plugin_create_delegate(const char* const* keys,
                                                       const char* const* values, size_t count,
                                                       void (*report_error)(const char*)) try {
  using namespace tflite_wheelhouse;
#ifndef TFLITE_BUILD_WITH_XNNPACK_DELEGATE
  throw std::invalid_argument("This tflite_runtime was built without XNNPACK");
#endif
  auto handle = std::make_unique<Handle>();
  for (size_t place = 0; place < count; ++place) {
    Set(handle->options, keys[place], values[place]);
  }
  handle->base.data_ = handle.get();
  handle->base.Prepare = RefuseToPrepare;
  return &handle.release()->base;
} catch (const std::exception& error) {
  if (report_error) report_error(error.what());
  return nullptr;
}

EXPORTED void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) {
  if (tflite_wheelhouse::XnnpackOptionsOf(delegate)) {
    delete static_cast<tflite_wheelhouse::Handle*>(delegate->data_);
  }
}
