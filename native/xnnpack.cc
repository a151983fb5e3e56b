// XNNPACK's delegate with options, loaded as any external delegate is.
//
// The delegate here makes TFLite's delegate for each interpreter, with the options that fit the
// model and the CPU, and hands on its kernels. It makes all kernels before the graph is changed, so
// that a model which cannot be computed as wished is computed as without options.
#include "xnnpack.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/lite/core/subgraph.h"
#include "tensorflow/lite/minimal_logging.h"
#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE
#include "cpuinfo.h"
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"
#endif

namespace tflite_wheelhouse {
namespace {

// ---- Options -------------------------------------------------------------------------------

using Words = std::vector<std::string>;

// How many letters to change, add or leave out to make one word of another.
size_t Distance(const std::string& one, const std::string& other) {
  std::vector<size_t> row(other.size() + 1);
  for (size_t place = 0; place < row.size(); ++place) row[place] = place;
  for (size_t line = 1; line <= one.size(); ++line) {
    size_t diagonal = std::exchange(row[0], line);
    for (size_t place = 1; place < row.size(); ++place) {
      const size_t changed = diagonal + (one[line - 1] != other[place - 1]);
      diagonal = row[place];
      row[place] = std::min({changed, row[place] + 1, row[place - 1] + 1});
    }
  }
  return row.back();
}

// Throws std::invalid_argument that names the nearest of the words that there are.
[[noreturn]] void Refuse(const std::string& word, const std::string& kind, const Words& words) {
  std::string list;
  for (const std::string& each : words) list += (list.empty() ? "" : ", ") + each;
  const auto nearest = std::min_element(words.begin(), words.end(), [&](auto& one, auto& other) {
    return Distance(word, one) < Distance(word, other);
  });
  throw std::invalid_argument("'" + word + "' is no " + kind + ": these are " + list +
                              ". Did you mean " + *nearest + "?");
}

constexpr int kMostThreads = 1024;

int ParseThreads(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const long number = std::strtol(text.c_str(), &end, 10);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || errno || number > kMostThreads) {
    throw std::invalid_argument("'" + text + "' is no number of threads: these are 0 to " +
                                std::to_string(kMostThreads) + ", and 0 means 1");
  }
  return number ? static_cast<int>(number) : 1;
}

bool ParsePrecision(const std::string& text) {
  if (text != "fp32" && text != "fp16") Refuse(text, "precision", {"fp32", "fp16"});
  return text == "fp16";
}

struct Options {
  int num_threads = 0;  // 0: the interpreter's
  bool fp16 = false;

  // Throws std::invalid_argument.
  void Set(const std::string& key, const std::string& value) {
    if (key == "num_threads") {
      num_threads = ParseThreads(value);
    } else if (key == "precision") {
      fp16 = ParsePrecision(value);
    } else {
      Refuse(key, "option of XNNPACK", {"num_threads", "precision"});
    }
  }
};

// What parse() makes of a variable; the fallback if it is not set, or wrong.
template <typename Value>
Value FromEnvironment(const char* variable, Value (*parse)(const std::string&), Value fallback) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return fallback;
  try {
    return parse(text);
  } catch (const std::invalid_argument& error) {
    static std::map<std::string, std::string> warned;  // under the GIL
    if (std::exchange(warned[variable], text) != text) {
      TFLITE_LOG_PROD(tflite::TFLITE_LOG_WARNING, "%s is ignored: %s", variable, error.what());
    }
    return fallback;
  }
}

#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE

// ---- The delegate --------------------------------------------------------------------------

using Inner = std::shared_ptr<TfLiteDelegate>;

// A part of the graph that XNNPACK computes; it keeps XNNPACK's delegate.
struct Kernel {
  Inner inner;
  TfLiteRegistration calls;
  void* data;

  Kernel(Inner inner, const TfLiteRegistration& calls, void* data)
      : inner(std::move(inner)), calls(calls), data(data) {}
  Kernel(const Kernel&) = delete;
  ~Kernel() {
    if (data) calls.free(nullptr, data);
  }
};

using Kernels = std::deque<std::unique_ptr<Kernel>>;

// What XNNPACK's delegate asks for while it prepares.
struct Request {
  TfLiteRegistration calls{};
  std::vector<int> nodes;
};

thread_local Request* request = nullptr;
thread_local Kernels* ready = nullptr;

TfLiteStatus NoteRequest(TfLiteContext*, TfLiteRegistration calls, const TfLiteIntArray* nodes,
                         TfLiteDelegate*) {
  request->calls = calls;
  request->nodes.assign(nodes->data, nodes->data + nodes->size);
  return kTfLiteOk;
}

void ReportNothing(TfLiteContext*, const char*, ...) {}

// Gives a variable another value for as long as this exists.
template <typename Value>
class Meanwhile {
 public:
  Meanwhile(Value& variable, Value value)
      : variable_(variable), former_(std::exchange(variable, value)) {}
  ~Meanwhile() { variable_ = former_; }
  Value former() const { return former_; }

 private:
  Value& variable_;
  const Value former_;
};

// XNNPACK's functions find their data where TFLite has the kernel.
template <typename Call>
TfLiteStatus Forward(TfLiteNode* node, Call TfLiteRegistration::* call, TfLiteContext* context) {
  auto* kernel = static_cast<Kernel*>(node->user_data);
  if (!kernel) return kTfLiteError;
  Meanwhile<void*> data(node->user_data, kernel->data);
  return (kernel->calls.*call)(context, node);
}

const TfLiteRegistration kCalls = [] {
  TfLiteRegistration calls{};
  calls.init = [](TfLiteContext*, const char*, size_t) -> void* {
    if (ready->empty()) return nullptr;
    std::unique_ptr<Kernel> kernel = std::move(ready->front());
    ready->pop_front();
    return kernel.release();
  };
  calls.free = [](TfLiteContext*, void* kernel) { delete static_cast<Kernel*>(kernel); };
  calls.prepare = [](TfLiteContext* context, TfLiteNode* node) {
    return Forward(node, &TfLiteRegistration::prepare, context);
  };
  calls.invoke = [](TfLiteContext* context, TfLiteNode* node) {
    return Forward(node, &TfLiteRegistration::invoke, context);
  };
  calls.custom_name = "TfLiteXNNPackDelegate";
  calls.version = 2;
  return calls;
}();

using Subgraphs = std::vector<std::unique_ptr<tflite::Subgraph>>;

const Subgraphs& SubgraphsOf(TfLiteContext* context) {
  return *static_cast<tflite::Subgraph*>(context->impl_)->GetSubgraphs();
}

bool IsQuantised(const TfLiteTensor& tensor) {
  const bool integer = tensor.type != kTfLiteFloat32 && tensor.type != kTfLiteFloat16;
  return integer && tensor.quantization.type != kTfLiteNoQuantization;
}

bool IsQuantised(const Subgraphs& subgraphs) {
  for (const auto& subgraph : subgraphs) {
    for (size_t index = 0; index < subgraph->tensors_size(); ++index) {
      if (IsQuantised(*subgraph->tensor(static_cast<int>(index)))) return true;
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

bool CanUseFp16(const Subgraphs& subgraphs) {
  if (IsQuantised(subgraphs)) return false;
  if (HasFp16()) return true;
  TFLITE_LOG_PROD_ONCE(tflite::TFLITE_LOG_WARNING,
                       "This CPU has no FP16 arithmetic: XNNPACK computes in FP32.");
  return false;
}

class Delegate {
 public:
  explicit Delegate(const Options& options) : options_(options) {
    base_.data_ = this;
    base_.Prepare = Prepare;
    base_.flags = kTfLiteDelegateFlagsPerOperatorProfiling;
#if TFLITE_MINOR >= 22
    base_.flags |= kTfLiteDelegateFlagsAllowDynamicTensors;
#endif
  }

  static Delegate* Of(const TfLiteDelegate* delegate) {
    const bool ours = delegate && delegate->Prepare == Prepare;
    return ours ? static_cast<Delegate*>(delegate->data_) : nullptr;
  }

  TfLiteDelegate* base() { return &base_; }
  const Options& options() const { return options_; }

 private:
  // The delegates of one interpreter: as wished, and as without options.
  struct Inners {
    std::weak_ptr<TfLiteDelegate> wished, plain;
  };

  static TfLiteStatus Prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
    return Of(delegate)->Apply(context);
  }

  TfLiteStatus Apply(TfLiteContext* context) {
    const Subgraphs& subgraphs = SubgraphsOf(context);
    Inners& inners = inners_[&subgraphs];
    Request wanted;
    Kernels kernels;
    bool made = false;
    if (options_.fp16 && CanUseFp16(subgraphs)) {
      Meanwhile<decltype(context->ReportError)> quiet(context->ReportError, ReportNothing);
      made = Make(context, Living(inners.wished, context, true), wanted, kernels) == kTfLiteOk &&
             std::all_of(kernels.begin(), kernels.end(), [](auto& each) { return each->data; });
    }
    if (!made) {
      const Inner plain = Living(inners.plain, context, false);
      if (!plain) return kTfLiteError;
      const TfLiteStatus status = Make(context, plain, wanted, kernels);
      if (status != kTfLiteOk) return status;
    }
    Meanwhile<Kernels*> offer(ready, &kernels);
    const auto nodes = Array(wanted.nodes);
    return context->ReplaceNodeSubsetsWithDelegateKernels(context, kCalls, nodes.get(), &base_);
  }

  static std::unique_ptr<TfLiteIntArray, void (*)(TfLiteIntArray*)> Array(
      const std::vector<int>& values) {
    TfLiteIntArray* array = TfLiteIntArrayCreate(static_cast<int>(values.size()));
    std::copy(values.begin(), values.end(), array->data);
    return {array, TfLiteIntArrayFree};
  }

  static Inner Living(std::weak_ptr<TfLiteDelegate>& known, TfLiteContext* context, bool fp16) {
    Inner inner = known.lock();
    if (inner) return inner;
    TfLiteXNNPackDelegateOptions options = TfLiteXNNPackDelegateOptionsDefault();
    options.num_threads = context->recommended_num_threads;
    if (fp16) options.flags |= TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16;
    inner.reset(TfLiteXNNPackDelegateCreateWithThreadpool(&options, context),
                TfLiteXNNPackDelegateDelete);
    known = inner;
    return inner;
  }

  // The kernels for what XNNPACK wants of the graph; the data of one that cannot be made is null.
  static TfLiteStatus Make(TfLiteContext* context, const Inner& inner, Request& wanted,
                           Kernels& kernels) {
    if (!inner) return kTfLiteError;
    wanted = {};
    kernels.clear();
    {
      Meanwhile<Request*> note(request, &wanted);
      Meanwhile<decltype(context->ReplaceNodeSubsetsWithDelegateKernels)> hook(
          context->ReplaceNodeSubsetsWithDelegateKernels, NoteRequest);
      const TfLiteStatus status = inner->Prepare(context, inner.get());
      if (status != kTfLiteOk) return status;
    }
    int count = 0;
    TfLiteDelegateParams* parts = nullptr;
    const auto nodes = Array(wanted.nodes);
    const TfLiteStatus status =
        context->PreviewDelegatePartitioning(context, nodes.get(), &parts, &count);
    if (status != kTfLiteOk) return status;
    for (int part = 0; part < count; ++part) {
      TfLiteDelegateParams parameters = parts[part];
      parameters.delegate = inner.get();
      void* data = wanted.calls.init(context, reinterpret_cast<char*>(&parameters), 0);
      kernels.push_back(std::make_unique<Kernel>(inner, wanted.calls, data));
    }
    return kTfLiteOk;
  }

  TfLiteDelegate base_ = TfLiteDelegateCreate();
  const Options options_;
  std::map<const Subgraphs*, Inners> inners_;
};

#endif  // TFLITE_BUILD_WITH_XNNPACK_DELEGATE

}  // namespace

int ThreadsOfEnvironment() { return FromEnvironment("TFLITE_NUM_THREADS", ParseThreads, 0); }

#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE

bool IsXnnpack(const TfLiteDelegate* delegate) { return Delegate::Of(delegate) != nullptr; }

int XnnpackThreads(const TfLiteDelegate* delegate) {
  return Delegate::Of(delegate)->options().num_threads;
}

Creator XnnpackLent(TfLiteDelegate* delegate) {
  return [delegate](TfLiteContext*) {
    return std::unique_ptr<TfLiteDelegate, void (*)(TfLiteDelegate*)>(delegate,
                                                                      [](TfLiteDelegate*) {});
  };
}

Creator XnnpackOfEnvironment() {
  Options options;
  options.fp16 = FromEnvironment("TFLITE_XNNPACK_PRECISION", ParsePrecision, false);
  if (!options.fp16) return nullptr;
  return [options](TfLiteContext*) {
    return std::unique_ptr<TfLiteDelegate, void (*)(TfLiteDelegate*)>(
        (new Delegate(options))->base(),
        [](TfLiteDelegate* delegate) { delete Delegate::Of(delegate); });
  };
}

#else

bool IsXnnpack(const TfLiteDelegate*) { return false; }
int XnnpackThreads(const TfLiteDelegate*) { return 0; }
Creator XnnpackLent(TfLiteDelegate*) { return nullptr; }
Creator XnnpackOfEnvironment() { return nullptr; }

#endif  // TFLITE_BUILD_WITH_XNNPACK_DELEGATE

}  // namespace tflite_wheelhouse

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED TfLiteDelegate* tflite_plugin_create_delegate(const char* const* keys,
                                                       const char* const* values, size_t count,
                                                       void (*report_error)(const char*)) try {
  using namespace tflite_wheelhouse;
  Options options;
  for (size_t place = 0; place < count; ++place) options.Set(keys[place], values[place]);
#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE
  return (new Delegate(options))->base();
#else
  throw std::invalid_argument("This tflite_runtime was built without XNNPACK");
#endif
} catch (const std::exception& error) {
  if (report_error) report_error(error.what());
  return nullptr;
}

EXPORTED void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) {
#ifdef TFLITE_BUILD_WITH_XNNPACK_DELEGATE
  delete tflite_wheelhouse::Delegate::Of(delegate);
#endif
}
