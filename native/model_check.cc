#include "model_check.h"

#include <algorithm>
#include <climits>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "flatbuffers/flexbuffers.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace tflite_wheelhouse {

namespace {

using tflite::BuiltinOperator;

constexpr int kMostDimensions = 32;  // as NumPy 1 has at most
constexpr int kMostNested = 100;     // subgraphs that run each other
constexpr int kOptional = -1;
constexpr uint64_t kAll = UINT64_MAX;

struct Text {
  char data[512];
};

// Thrown with what is wrong.
using Refused = Text;

__attribute__((format(printf, 1, 2), noinline)) Text Format(const char* format, ...) {
  Text text;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text.data, sizeof text.data, format, arguments);
  va_end(arguments);
  return text;
}

[[noreturn]] __attribute__((format(printf, 2, 3), noinline)) void Refuse(const Text& where,
                                                                         const char* format, ...) {
  Text text;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text.data, sizeof text.data, format, arguments);
  va_end(arguments);
  throw Format("The model is not valid: %.200s: %.250s.", where.data, text.data);
}

template <typename Vector>
int64_t Size(const Vector* vector) {
  return vector ? static_cast<int64_t>(vector->size()) : 0;
}

constexpr uint64_t Bits(std::initializer_list<int> places) {
  uint64_t bits = 0;
  for (const int place : places) bits |= uint64_t{1} << place;
  return bits;
}

// The inputs that an operator does without where the model has -1 for their tensor.
uint64_t OptionalInputs(BuiltinOperator code) {
  switch (code) {
    case tflite::BuiltinOperator_CONV_2D:
    case tflite::BuiltinOperator_CONV_3D:
    case tflite::BuiltinOperator_DEPTHWISE_CONV_2D:
    case tflite::BuiltinOperator_FULLY_CONNECTED:
    case tflite::BuiltinOperator_PAD:
    case tflite::BuiltinOperator_PADV2:
      return Bits({2});
    case tflite::BuiltinOperator_CONV_3D_TRANSPOSE:
    case tflite::BuiltinOperator_SVDF:
    case tflite::BuiltinOperator_TRANSPOSE_CONV:
      return Bits({3});
    case tflite::BuiltinOperator_BIDIRECTIONAL_SEQUENCE_RNN:
      return Bits({9, 10, 11});
    case tflite::BuiltinOperator_LSTM:
    case tflite::BuiltinOperator_UNIDIRECTIONAL_SEQUENCE_LSTM:
      return Bits({1, 5, 9, 10, 11, 12, 16, 17, 20, 21, 22, 23});
    case tflite::BuiltinOperator_BIDIRECTIONAL_SEQUENCE_LSTM:
      return Bits({1,  5,  9,  10, 11, 12, 16, 17, 18, 22, 26, 27, 28, 29,
                   33, 34, 39, 40, 41, 42, 43, 44, 45, 46, 47});
    case tflite::BuiltinOperator_CALL:
    case tflite::BuiltinOperator_CALL_ONCE:
    case tflite::BuiltinOperator_CUSTOM:
    case tflite::BuiltinOperator_DELEGATE:
    case tflite::BuiltinOperator_IF:
    case tflite::BuiltinOperator_WHILE:
#if TFLITE_MINOR >= 22
    case tflite::BuiltinOperator_STABLEHLO_COMPOSITE:
#endif
      return kAll;
    default:
      return 0;
  }
}

// The input whose type an operator's first output has, or -1 where it may have another. Kernels
// that compare the types themselves are not here.
int InputOfSameType(BuiltinOperator code) {
  switch (code) {
    case tflite::BuiltinOperator_BATCH_TO_SPACE_ND:
    case tflite::BuiltinOperator_BITWISE_XOR:
    case tflite::BuiltinOperator_CUMSUM:
    case tflite::BuiltinOperator_DEPTH_TO_SPACE:
    case tflite::BuiltinOperator_DYNAMIC_UPDATE_SLICE:
    case tflite::BuiltinOperator_EXPAND_DIMS:
    case tflite::BuiltinOperator_GATHER:
    case tflite::BuiltinOperator_GATHER_ND:
    case tflite::BuiltinOperator_MATRIX_DIAG:
    case tflite::BuiltinOperator_MATRIX_SET_DIAG:
    case tflite::BuiltinOperator_MAXIMUM:
    case tflite::BuiltinOperator_MEAN:
    case tflite::BuiltinOperator_MINIMUM:
    case tflite::BuiltinOperator_REDUCE_ALL:
    case tflite::BuiltinOperator_REDUCE_ANY:
    case tflite::BuiltinOperator_REDUCE_MAX:
    case tflite::BuiltinOperator_REDUCE_MIN:
    case tflite::BuiltinOperator_REDUCE_PROD:
    case tflite::BuiltinOperator_RESHAPE:
    case tflite::BuiltinOperator_REVERSE_V2:
    case tflite::BuiltinOperator_RIGHT_SHIFT:
    case tflite::BuiltinOperator_SEGMENT_SUM:
    case tflite::BuiltinOperator_SPACE_TO_BATCH_ND:
    case tflite::BuiltinOperator_SPACE_TO_DEPTH:
    case tflite::BuiltinOperator_SQUEEZE:
    case tflite::BuiltinOperator_STRIDED_SLICE:
    case tflite::BuiltinOperator_SUM:
    case tflite::BuiltinOperator_TRANSPOSE:
    case tflite::BuiltinOperator_UNIQUE:
    case tflite::BuiltinOperator_UNSORTED_SEGMENT_MAX:
    case tflite::BuiltinOperator_UNSORTED_SEGMENT_MIN:
    case tflite::BuiltinOperator_UNSORTED_SEGMENT_PROD:
    case tflite::BuiltinOperator_UNSORTED_SEGMENT_SUM:
    case tflite::BuiltinOperator_ZEROS_LIKE:
      return 0;
    case tflite::BuiltinOperator_FILL:
    case tflite::BuiltinOperator_SCATTER_ND:
      return 1;
    default:
      return -1;
  }
}

// Whether an operator has tensors that hold no values but handles.
bool TakesHandles(BuiltinOperator code) {
  switch (code) {
    case tflite::BuiltinOperator_ASSIGN_VARIABLE:
    case tflite::BuiltinOperator_HASHTABLE:
    case tflite::BuiltinOperator_HASHTABLE_FIND:
    case tflite::BuiltinOperator_HASHTABLE_IMPORT:
    case tflite::BuiltinOperator_HASHTABLE_SIZE:
    case tflite::BuiltinOperator_READ_VARIABLE:
    case tflite::BuiltinOperator_VAR_HANDLE:
      return true;
    default:
      return OptionalInputs(code) == kAll;
  }
}

// Whether an operator must have outputs: all but those that only change a resource, or run subgraphs.
bool HasOutputs(BuiltinOperator code) {
  return code != tflite::BuiltinOperator_ASSIGN_VARIABLE &&
         code != tflite::BuiltinOperator_HASHTABLE_IMPORT && OptionalInputs(code) != kAll;
}

// Whether a custom operator is one of TFLite's own, whose kernels read their options as they are.
bool TakesMap(std::string_view name) {
  return name == "AudioSpectrogram" || name == "Mfcc" || name == "NumericVerify" ||
         name == "TFLite_Detection_PostProcess" || name == "aeq.hadamard_rotation";
}

bool IsMap(const flatbuffers::Vector<uint8_t>* options) {
  std::vector<uint8_t> seen;
  return options && flexbuffers::VerifyBuffer(options->data(), options->size(), &seen) &&
         flexbuffers::GetRoot(options->data(), options->size()).IsMap();
}

// The subgraphs that an operator runs, each with its field's name.
std::vector<std::pair<const char*, int>> Called(const tflite::Operator& op) {
  std::vector<std::pair<const char*, int>> called;
  if (const auto* options = op.builtin_options_as_IfOptions()) {
    called = {{"then_subgraph_index", options->then_subgraph_index()},
              {"else_subgraph_index", options->else_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_as_WhileOptions()) {
    called = {{"cond_subgraph_index", options->cond_subgraph_index()},
              {"body_subgraph_index", options->body_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_as_CallOnceOptions()) {
    called = {{"init_subgraph_index", options->init_subgraph_index()}};
  }
#if TFLITE_MINOR >= 22
  if (const auto* options = op.builtin_options_2_as_StablehloWhileOptions()) {
    called = {{"cond_subgraph_index", options->cond_subgraph_index()},
              {"body_subgraph_index", options->body_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_2_as_StablehloReduceOptions()) {
    called = {{"body_subgraph_index", options->body_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_2_as_StablehloReduceWindowOptions()) {
    called = {{"body_subgraph_index", options->body_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_2_as_StablehloSortOptions()) {
    called = {{"comparator_subgraph_index", options->comparator_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_2_as_StablehloScatterOptions()) {
    called = {{"update_computation_subgraph_index",
               options->update_computation_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_2_as_StableHLOCompositeOptions()) {
    called = {{"decomposition_subgraph_index", options->decomposition_subgraph_index()}};
  } else if (const auto* options = op.builtin_options_2_as_StablehloCaseOptions()) {
    for (int64_t place = 0; place < Size(options->branch_subgraph_indices()); ++place) {
      called.emplace_back("branch_subgraph_indices",
                          options->branch_subgraph_indices()->Get(place));
    }
  }
#endif
  return called;
}

class Checker {
 public:
  Checker(const tflite::Model& model, uint64_t length) : model_(model), length_(length) {}

  void Run() {
    for (int64_t number = 0; number < Size(model_.buffers()); ++number) CheckBuffer(number);
    if (!model_.subgraphs()) Refuse(Format("subgraphs"), "there are none");
    const int64_t count = Size(model_.subgraphs());
    called_.resize(count);
    for (graph_ = 0; graph_ < count; ++graph_) CheckGraph(*model_.subgraphs()->Get(graph_));
    nested_.resize(count);
    for (int64_t number = 0; number < count; ++number) Nested(number, 0);
    for (int64_t number = 0; number < Size(model_.signature_defs()); ++number) {
      CheckSignature(*model_.signature_defs()->Get(number));
    }
    for (int64_t number = 0; number < Size(model_.metadata()); ++number) {
      const auto& metadata = *model_.metadata()->Get(number);
      if (metadata.buffer() >= Size(model_.buffers())) {
        Refuse(Format("metadata %lld", static_cast<long long>(number)), "buffer is %u, of %lld",
               metadata.buffer(), static_cast<long long>(Size(model_.buffers())));
      }
    }
  }

 private:
  using Indices = flatbuffers::Vector<int32_t>;

  void CheckBuffer(int64_t number) const {
    const auto& buffer = *model_.buffers()->Get(number);
    if (IsBeyond(buffer.offset(), buffer.size())) {
      Refuse(Format("buffer %lld", static_cast<long long>(number)),
             "offset %llu with size %llu is beyond the file's end",
             static_cast<unsigned long long>(buffer.offset()),
             static_cast<unsigned long long>(buffer.size()));
    }
  }

  // Data outside of the flatbuffer is behind it in the file; there is none at an offset of 0 or 1.
  bool IsBeyond(uint64_t offset, uint64_t size) const {
    return offset > 1 && (offset > length_ || size > length_ - offset);
  }

  // What is being checked: an operator, or its subgraph.
  Text Here() const {
    if (!operator_) return Format("subgraph %lld", static_cast<long long>(graph_));
    return Format("operator %lld (%s) of subgraph %lld", static_cast<long long>(number_),
                  tflite::EnumNameBuiltinOperator(CodeOf(*operator_)),
                  static_cast<long long>(graph_));
  }

  Text TensorName(int64_t index) const {
    const auto* name = tensors_->Get(index)->name();
    return Format("tensor %lld (%.60s) of subgraph %lld", static_cast<long long>(index),
                  name ? name->c_str() : "", static_cast<long long>(graph_));
  }

  BuiltinOperator CodeOf(const tflite::Operator& op) const {
    if (op.opcode_index() >= Size(model_.operator_codes())) return tflite::BuiltinOperator_CUSTOM;
    const auto& code = *model_.operator_codes()->Get(op.opcode_index());
    // The older field has one byte; codes that it cannot hold are in the newer one alone.
    const int older = code.deprecated_builtin_code();
    return older > code.builtin_code() ? static_cast<BuiltinOperator>(older) : code.builtin_code();
  }

  bool IsConstant(const tflite::Tensor& tensor) const {
    if (tensor.buffer() == 0 || tensor.buffer() >= Size(model_.buffers())) return false;
    const auto& buffer = *model_.buffers()->Get(tensor.buffer());
    return Size(buffer.data()) > 0 || buffer.offset() > 1;
  }

  void CheckGraph(const tflite::SubGraph& graph) {
    tensors_ = graph.tensors();
    taken_.assign(Size(tensors_), nullptr);
    bool sparse = false, blockwise = false;
    for (int64_t index = 0; index < Size(tensors_); ++index) {
      const auto& tensor = *tensors_->Get(index);
      CheckShape(index, tensor);
      CheckQuantization(index, tensor);
      CheckSparsity(index, tensor);
      if (tensor.is_variable()) taken_[index] = "a variable";
      sparse |= tensor.sparsity() != nullptr;
#if TFLITE_MINOR >= 22
      blockwise |= IsBlockwise(tensor);
#endif
    }
#if TFLITE_MINOR >= 22
    for (int64_t index = 0; blockwise && index < Size(tensors_); ++index) {
      CheckBlocks(index, *tensors_->Get(index));
    }
#endif
    stored_otherwise_ = sparse || blockwise;
    operator_ = nullptr;
    CheckIndices("inputs", graph.inputs(), 0);
    CheckIndices("outputs", graph.outputs(), 0);
    CheckStorage("inputs", graph.inputs());
    CheckStorage("outputs", graph.outputs());
    for (int64_t place = 0; place < Size(graph.inputs()); ++place) {
      taken_[graph.inputs()->Get(place)] = "an input of the subgraph";
    }
    for (number_ = 0; number_ < Size(graph.operators()); ++number_) {
      operator_ = graph.operators()->Get(number_);
      CheckOperator(*operator_);
    }
  }

  void CheckIndices(const char* field, const Indices* indices, uint64_t optional) const {
    for (int64_t place = 0; place < Size(indices); ++place) {
      const int index = indices->Get(place);
      const bool may = optional == kAll || (place < 64 && optional >> place & 1);
      if (index == kOptional && may) continue;
      if (index == kOptional) {
        Refuse(Here(), "%s[%lld] is -1, which is not optional", field,
               static_cast<long long>(place));
      }
      if (index < 0 || index >= Size(tensors_)) {
        Refuse(Here(), "%s[%lld] is tensor %d, of %lld", field, static_cast<long long>(place),
               index, static_cast<long long>(Size(tensors_)));
      }
    }
  }

  void CheckOperator(const tflite::Operator& op) {
    if (op.opcode_index() >= Size(model_.operator_codes())) {
      Refuse(Here(), "opcode_index is %u, of %lld", op.opcode_index(),
             static_cast<long long>(Size(model_.operator_codes())));
    }
    const uint64_t optional = OptionalInputs(CodeOf(op));
    CheckIndices("inputs", op.inputs(), optional);
    CheckIndices("outputs", op.outputs(), optional == kAll ? kAll : 0);
    CheckIndices("intermediates", op.intermediates(), kAll);
    if (Size(op.outputs()) == 0 && HasOutputs(CodeOf(op))) Refuse(Here(), "it has no outputs");
    CheckOutputs(op);
    CheckOrder(op);
    CheckStorage("inputs", op.inputs());
    CheckStorage("outputs", op.outputs());
    if (CodeOf(op) == tflite::BuiltinOperator_SPLIT) {
      const auto* options = op.builtin_options_as_SplitOptions();
      if (Size(op.inputs()) != 2 || !options || options->num_splits() != Size(op.outputs())) {
        Refuse(Here(), "num_splits is %d, for %lld outputs", options ? options->num_splits() : 0,
               static_cast<long long>(Size(op.outputs())));
      }
    }
    CheckTypes(op);
    CheckOptions(op);
    for (const auto& [field, graph] : Called(op)) {
      if (graph < 0 || graph >= Size(model_.subgraphs())) {
        Refuse(Here(), "%s is %d, of %lld", field, graph,
               static_cast<long long>(Size(model_.subgraphs())));
      }
      called_[graph_].push_back(graph);
    }
#if TFLITE_MINOR >= 22
    if (IsBeyond(op.large_custom_options_offset(), op.large_custom_options_size())) {
      Refuse(Here(), "large_custom_options_offset is beyond the file's end");
    }
#endif
  }

  void CheckOutputs(const tflite::Operator& op) const {
    for (int64_t place = 0; place < Size(op.outputs()); ++place) {
      const int index = op.outputs()->Get(place);
      if (index != kOptional && IsConstant(*tensors_->Get(index))) {
        Refuse(Here(), "outputs[%lld] is %s, a constant", static_cast<long long>(place),
               TensorName(index).data);
      }
    }
    if (Size(op.outputs()) < 2) return;
    std::map<int, int64_t> places;  // of outputs, by their tensor
    for (int64_t place = 0; place < Size(op.outputs()); ++place) {
      const int index = op.outputs()->Get(place);
      const auto [other, first] = places.emplace(index, place);
      if (!first && index != kOptional) {
        Refuse(Here(), "outputs[%lld] is %s, as outputs[%lld] is", static_cast<long long>(place),
               TensorName(index).data, static_cast<long long>(other->second));
      }
    }
  }

  // Kernels have been prepared for the shape that a tensor has when they run: no operator may
  // change one that others read before, or that others write.
  void CheckOrder(const tflite::Operator& op) {
    for (int64_t place = 0; place < Size(op.inputs()); ++place) {
      const int index = op.inputs()->Get(place);
      if (index != kOptional && !taken_[index]) taken_[index] = "which was read before";
    }
    for (int64_t place = 0; place < Size(op.outputs()); ++place) {
      const int index = op.outputs()->Get(place);
      if (index == kOptional) continue;
      if (taken_[index]) {
        Refuse(Here(), "outputs[%lld] is %s, %s", static_cast<long long>(place),
               TensorName(index).data, taken_[index]);
      }
      taken_[index] = "the output of another operator";
    }
  }

  // That kernels which take a tensor know that it has fewer elements than its shape, or that its
  // scales are another tensor. What the caller reads of the first subgraph, the wrapper checks.
  void CheckStorage(const char* field, const Indices* indices) const {
    if (!stored_otherwise_ || (!operator_ && graph_ == 0)) return;
    for (int64_t place = 0; place < Size(indices); ++place) {
      const int index = indices->Get(place);
      if (index == kOptional) continue;
      const auto& tensor = *tensors_->Get(index);
      if (tensor.sparsity() && !TakesSparse(place, Size(indices))) {
        Refuse(Here(), "%s[%lld] is %s, which is sparse", field, static_cast<long long>(place),
               TensorName(index).data);
      }
#if TFLITE_MINOR >= 22
      if (IsBlockwise(tensor) && !TakesBlocks(place)) {
        Refuse(Here(), "%s[%lld] is %s, which is quantized in blocks", field,
               static_cast<long long>(place), TensorName(index).data);
      }
#endif
    }
  }

  bool TakesSparse(int64_t place, int64_t inputs) const {
    const BuiltinOperator code = operator_ ? CodeOf(*operator_) : tflite::BuiltinOperator_CUSTOM;
    switch (code) {
      case tflite::BuiltinOperator_DENSIFY:
        return true;
      case tflite::BuiltinOperator_CUSTOM:  // but TFLite's own
        return operator_ && !IsOwn(*operator_);
      case tflite::BuiltinOperator_FULLY_CONNECTED:
        return place == 1;
      case tflite::BuiltinOperator_LSTM:  // its other kernel has five inputs
        return inputs >= 20 && place <= 16 && Bits({1, 2, 3, 4, 5, 6, 7, 8, 16}) >> place & 1;
      default:
        return false;
    }
  }

#if TFLITE_MINOR >= 22
  static bool IsBlockwise(const tflite::Tensor& tensor) {
    const auto* quantization = tensor.quantization();
    return quantization &&
           quantization->details_type() == tflite::QuantizationDetails_BlockwiseQuantization;
  }

  bool TakesBlocks(int64_t place) const {
    const BuiltinOperator code = operator_ ? CodeOf(*operator_) : tflite::BuiltinOperator_CUSTOM;
    const bool weights = code == tflite::BuiltinOperator_FULLY_CONNECTED ||
                         code == tflite::BuiltinOperator_EMBEDDING_LOOKUP;
    return weights ? place == 1 : OptionalInputs(code) == kAll;
  }

  // That the scales of blocks are a constant with one for each.
  void CheckBlocks(int64_t index, const tflite::Tensor& tensor) const {
    if (!IsBlockwise(tensor)) return;
    const auto* blocks = tensor.quantization()->details_as_BlockwiseQuantization();
    const int64_t scales = blocks ? blocks->scales() : -1;
    if (scales < 0 || scales >= Size(tensors_)) {
      Refuse(TensorName(index), "quantization has scales in tensor %lld, of %lld",
             static_cast<long long>(scales), static_cast<long long>(Size(tensors_)));
    }
    const auto& scale = *tensors_->Get(scales);
    const int axis = tensor.quantization()->quantized_dimension();
    if (tensor.type() != tflite::TensorType_INT4 || scale.type() != tflite::TensorType_FLOAT16 ||
        !IsConstant(scale) || scale.sparsity() || blocks->block_size() <= 0 ||
        Elements(scale) * blocks->block_size() != Elements(tensor) || axis < 0 ||
        axis >= Size(tensor.shape())) {
      Refuse(TensorName(index), "quantization in blocks of %d does not fit its %lld scales",
             blocks->block_size(), static_cast<long long>(Elements(scale)));
    }
  }

  static int64_t Elements(const tflite::Tensor& tensor) {
    int64_t elements = 1;
    for (int64_t axis = 0; axis < Size(tensor.shape()); ++axis) {
      elements *= tensor.shape()->Get(axis);
    }
    return elements;
  }
#endif

  // Whether it is one of TFLite's own custom operators.
  bool IsOwn(const tflite::Operator& op) const {
    if (CodeOf(op) != tflite::BuiltinOperator_CUSTOM) return false;
    const auto* name = model_.operator_codes()->Get(op.opcode_index())->custom_code();
    return name && TakesMap(name->string_view());
  }

  void CheckOptions(const tflite::Operator& op) const {
    if (IsOwn(op) && !IsMap(op.custom_options())) {
      const auto* name = model_.operator_codes()->Get(op.opcode_index())->custom_code();
      Refuse(Here(), "custom_options of %s is no FlexBuffers map", name->c_str());
    }
#if TFLITE_MINOR >= 22
    if (const auto* options = op.builtin_options_2_as_StableHLOCompositeOptions()) {
      if (Size(options->composite_attributes()) > 0 && !IsMap(options->composite_attributes())) {
        Refuse(Here(), "composite_attributes is no FlexBuffers map");
      }
    }
#endif
  }

  tflite::TensorType TypeOf(int index) const { return tensors_->Get(index)->type(); }

  void CheckTypes(const tflite::Operator& op) const {
    const BuiltinOperator code = CodeOf(op);
    for (const auto* indices : {op.inputs(), op.outputs()}) {
      for (int64_t place = 0; !TakesHandles(code) && place < Size(indices); ++place) {
        const int index = indices->Get(place);
        if (index != kOptional && (TypeOf(index) == tflite::TensorType_RESOURCE ||
                                   TypeOf(index) == tflite::TensorType_VARIANT)) {
          Refuse(Here(), "%s is a %s", TensorName(index).data,
                 tflite::EnumNameTensorType(TypeOf(index)));
        }
      }
    }
    for (int64_t place = 1; !TakesHandles(code) && place < Size(op.inputs()); ++place) {
      const int first = op.inputs()->Get(0), index = op.inputs()->Get(place);
      if (first != kOptional && index != kOptional && tensors_->Get(index)->is_variable() &&
          TypeOf(first) == tflite::TensorType_FLOAT32 && TypeOf(index) != TypeOf(first)) {
        Refuse(Here(), "inputs[%lld] is a variable of type %s, not FLOAT32",
               static_cast<long long>(place), tflite::EnumNameTensorType(TypeOf(index)));
      }
    }
    const int same = InputOfSameType(code);
    if (same < 0 || same >= Size(op.inputs()) || !Size(op.outputs())) return;
    const int input = op.inputs()->Get(same), output = op.outputs()->Get(0);
    if (TypeOf(input) != TypeOf(output)) {
      Refuse(Here(), "outputs[0] is of type %s, inputs[%d] of %s",
             tflite::EnumNameTensorType(TypeOf(output)), same,
             tflite::EnumNameTensorType(TypeOf(input)));
    }
  }

  void CheckShape(int64_t index, const tflite::Tensor& tensor) const {
    const auto* shape = tensor.shape();
    if (Size(shape) > kMostDimensions) {
      Refuse(TensorName(index), "shape has %lld dimensions, more than %d",
             static_cast<long long>(Size(shape)), kMostDimensions);
    }
    int64_t elements = 1;
    for (int64_t axis = 0; axis < Size(shape); ++axis) {
      if (shape->Get(axis) < 0) {
        Refuse(TensorName(index), "shape[%lld] is %d", static_cast<long long>(axis),
               shape->Get(axis));
      }
      elements *= shape->Get(axis);
      if (elements > INT_MAX) Refuse(TensorName(index), "shape has more than %d elements", INT_MAX);
    }
    const auto* signature = tensor.shape_signature();
    if (Size(signature) && Size(signature) != Size(shape)) {
      Refuse(TensorName(index), "shape_signature has %lld dimensions, shape %lld",
             static_cast<long long>(Size(signature)), static_cast<long long>(Size(shape)));
    }
  }

  void CheckQuantization(int64_t index, const tflite::Tensor& tensor) const {
    const auto* quantization = tensor.quantization();
    if (!quantization) return;
    const auto* shape = tensor.shape();
    const int64_t scales = Size(quantization->scale());
    const int64_t zeros = Size(quantization->zero_point());
    const int axis = quantization->quantized_dimension();
    if (scales && zeros && scales != zeros) {
      Refuse(TensorName(index), "quantization has %lld zero points for %lld scales",
             static_cast<long long>(zeros), static_cast<long long>(scales));
    }
    if (scales > 1 && (axis < 0 || axis >= Size(shape) || shape->Get(axis) != scales)) {
      Refuse(TensorName(index), "quantization has %lld scales, which dimension %d has not",
             static_cast<long long>(scales), axis);
    }
  }

  void CheckSparsity(int64_t index, const tflite::Tensor& tensor) const {
    const auto* sparsity = tensor.sparsity();
    if (!sparsity) return;
    const Text where = TensorName(index);
    const int64_t rank = Size(tensor.shape()), blocks = Size(sparsity->block_map());
    const auto* order = sparsity->traversal_order();
    const auto* levels = sparsity->dim_metadata();
    if (Size(order) != rank + blocks || Size(levels) != rank + blocks) {
      Refuse(where,
             "sparsity has %lld levels in traversal_order and %lld in dim_metadata, not %lld",
             static_cast<long long>(Size(order)), static_cast<long long>(Size(levels)),
             static_cast<long long>(rank + blocks));
    }
    std::vector<int64_t> sizes(rank + blocks);
    for (int64_t axis = 0; axis < rank; ++axis) sizes[axis] = tensor.shape()->Get(axis);
    std::vector<bool> seen(rank + blocks);
    std::vector<int64_t> level_of(rank + blocks);
    for (int64_t level = 0; level < Size(order); ++level) {
      const int axis = order->Get(level);
      if (axis < 0 || axis >= Size(order) || seen[axis]) {
        Refuse(where, "sparsity.traversal_order[%lld] is %d", static_cast<long long>(level), axis);
      }
      seen[axis] = true;
      level_of[axis] = level;
    }
    for (int64_t block = 0; block < blocks; ++block) {
      const int axis = sparsity->block_map()->Get(block);
      const int64_t size = levels->Get(level_of[rank + block])->dense_size();
      if (axis < 0 || axis >= rank || size <= 0 || sizes[axis] % size) {
        Refuse(where, "sparsity.block_map[%lld] is %d, in blocks of %lld",
               static_cast<long long>(block), axis, static_cast<long long>(size));
      }
      sizes[axis] /= size;
      sizes[rank + block] = size;
    }
    int64_t stored = 1;
    for (int64_t level = 0; level < Size(order); ++level) {
      const int64_t size = sizes[order->Get(level)];
      const auto& metadata = *levels->Get(level);
      const bool dense = metadata.format() == tflite::DimensionType_DENSE;
      if (dense ? metadata.dense_size() != size
                : !CheckLevel(metadata, size, stored, &stored)) {
        Refuse(where, "sparsity.dim_metadata[%lld] does not fit %lld elements",
               static_cast<long long>(level), static_cast<long long>(size));
      }
      if (dense) stored *= size;
      if (stored > INT_MAX) Refuse(where, "sparsity has more than %d elements", INT_MAX);
    }
    CheckStored(where, tensor, stored);
  }

  // That the buffer of a sparse tensor has as many elements.
  void CheckStored(const Text& where, const tflite::Tensor& tensor, int64_t stored) const {
    if (!IsConstant(tensor)) Refuse(where, "sparsity of what is no constant");
    const auto& buffer = *model_.buffers()->Get(tensor.buffer());
    const int64_t bytes = buffer.offset() > 1 ? buffer.size() : Size(buffer.data());
    int64_t size = 1;
    if (tensor.type() == tflite::TensorType_FLOAT32 || tensor.type() == tflite::TensorType_INT32) {
      size = 4;
    } else if (tensor.type() == tflite::TensorType_FLOAT16) {
      size = 2;
    }
    if (bytes / size < stored) {
      Refuse(where, "buffer has %lld elements, of the %lld that sparsity says",
             static_cast<long long>(bytes / size), static_cast<long long>(stored));
    }
  }

  // Whether the indices of compressed rows are in order and below `size`; sets how many there are.
  static bool CheckLevel(const tflite::DimensionMetadata& metadata, int64_t size, int64_t rows,
                         int64_t* stored) {
    const std::vector<int64_t> segments =
        Values(metadata.array_segments_type(), metadata.array_segments());
    const std::vector<int64_t> indices =
        Values(metadata.array_indices_type(), metadata.array_indices());
    if (static_cast<int64_t>(segments.size()) != rows + 1 || segments.front() != 0) return false;
    for (int64_t row = 0; row < rows; ++row) {
      if (segments[row] > segments[row + 1]) return false;
    }
    if (segments.back() != static_cast<int64_t>(indices.size())) return false;
    for (const int64_t index : indices) {
      if (index < 0 || index >= size) return false;
    }
    *stored = segments.back();
    return true;
  }

  static std::vector<int64_t> Values(tflite::SparseIndexVector type, const void* table) {
    const auto copied = [](const auto* vector) {
      return vector ? std::vector<int64_t>(vector->begin(), vector->end()) : std::vector<int64_t>();
    };
    if (!table) return {};
    switch (type) {
      case tflite::SparseIndexVector_Int32Vector:
        return copied(static_cast<const tflite::Int32Vector*>(table)->values());
      case tflite::SparseIndexVector_Uint16Vector:
        return copied(static_cast<const tflite::Uint16Vector*>(table)->values());
      case tflite::SparseIndexVector_Uint8Vector:
        return copied(static_cast<const tflite::Uint8Vector*>(table)->values());
      default:
        return {};
    }
  }

  // How many subgraphs a subgraph runs inside each other, itself counted.
  int Nested(int64_t number, int outer) {
    if (nested_[number] < 0) {
      Refuse(Format("subgraph %lld", static_cast<long long>(number)), "it runs itself");
    }
    if (outer >= kMostNested) {
      Refuse(Format("subgraph %lld", static_cast<long long>(number)),
             "it is the %dth that runs inside another", kMostNested);
    }
    if (nested_[number]) return nested_[number];
    nested_[number] = -1;
    int most = 0;
    for (const int inner : called_[number]) most = std::max(most, Nested(inner, outer + 1));
    if (most >= kMostNested) {
      Refuse(Format("subgraph %lld", static_cast<long long>(number)),
             "%d subgraphs run inside each other", most);
    }
    return nested_[number] = most + 1;
  }

  void CheckSignature(const tflite::SignatureDef& signature) {
    const auto* key = signature.signature_key();
    const Text where = Format("signature %.60s", key ? key->c_str() : "");
    if (signature.subgraph_index() >= Size(model_.subgraphs())) {
      Refuse(where, "subgraph_index is %u, of %lld", signature.subgraph_index(),
             static_cast<long long>(Size(model_.subgraphs())));
    }
    const int64_t tensors = Size(model_.subgraphs()->Get(signature.subgraph_index())->tensors());
    for (const auto& [field, maps] : {std::pair("inputs", signature.inputs()),
                                      std::pair("outputs", signature.outputs())}) {
      for (int64_t place = 0; place < Size(maps); ++place) {
        const auto& map = *maps->Get(place);
        if (map.tensor_index() >= tensors || !map.name()) {
          Refuse(where, "%s[%lld] is tensor %u, of %lld", field, static_cast<long long>(place),
                 map.tensor_index(), static_cast<long long>(tensors));
        }
      }
    }
  }

  const tflite::Model& model_;
  const uint64_t length_;
  // Of the subgraph that is being checked.
  int64_t graph_ = 0, number_ = 0;
  const tflite::Operator* operator_ = nullptr;
  const flatbuffers::Vector<flatbuffers::Offset<tflite::Tensor>>* tensors_ = nullptr;
  bool stored_otherwise_ = false;  // whether CheckStorage() has to look at tensors
  std::vector<const char*> taken_;  // why no further operator may write a tensor, by its index
  // Of all subgraphs.
  std::vector<std::vector<int>> called_;
  std::vector<int> nested_;  // 0 where it is not known, -1 while it is being found
};

}  // namespace

bool ModelCheck::Verify(const char* data, int length, tflite::ErrorReporter* reporter) {
  // A file of 2 GB and more has no length as an int.
  const uint64_t size = length < 0 ? UINT64_MAX : length;
#if TFLITE_MINOR < 22
  if (length < 0) return true;  // this release does not verify it, so nothing of it may be read
#endif
  try {
    Checker(*tflite::GetModel(data), size).Run();
    return true;
  } catch (const Refused& refused) {
    reporter->Report("%s", refused.data);
    return false;
  }
}

}  // namespace tflite_wheelhouse
