// The Python module, written to CPython's stable ABI alone: one binary for 3.7 and all later.
//
// It shows Python what upstream's interpreter_wrapper_pybind11.cc shows: the same names,
// parameters, conversions, errors and documentation. Every call holds the GIL, as upstream's do;
// InterpreterWrapper::Invoke, which takes long, itself releases it while the model runs.
//
// TFLITE_MINOR is the second number of TFLite's version: newer releases show more.
#include <Python.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/lite/python/interpreter_wrapper/interpreter_wrapper.h"

namespace {

using tflite::interpreter_wrapper::InterpreterWrapper;
using Registerer = std::function<void(uintptr_t)>;

#define MODULE "_pywrap_tensorflow_interpreter_wrapper"
#define CLASS "tflite_runtime." MODULE ".InterpreterWrapper"
#define CPP_CLASS "tflite::interpreter_wrapper::InterpreterWrapper"

struct Decref {
  void operator()(PyObject* object) const { Py_DECREF(object); }
};
using Owned = std::unique_ptr<PyObject, Decref>;

// Thrown where the arguments given are not those that a method takes.
struct Mismatch {};

// Thrown where Python's error indicator is set.
struct PythonError {};

[[noreturn]] void Reject() {
  PyErr_Clear();
  throw Mismatch();
}

// ---- From Python to C++ --------------------------------------------------------------------

std::string ToString(PyObject* value) {
  if (PyUnicode_Check(value)) {
    Owned utf8(PyUnicode_AsUTF8String(value));
    if (!utf8) Reject();
    return ToString(utf8.get());
  }
  if (PyBytes_Check(value)) {
    return {PyBytes_AsString(value), static_cast<size_t>(PyBytes_Size(value))};
  }
  if (PyByteArray_Check(value)) {
    return {PyByteArray_AsString(value), static_cast<size_t>(PyByteArray_Size(value))};
  }
  Reject();
}

Registerer ToRegisterer(PyObject* value) {
  if (value == Py_None) return {};
  if (!PyCallable_Check(value)) Reject();
  Py_INCREF(value);
  std::shared_ptr<PyObject> callable(value, Decref());
  return [callable](uintptr_t resolver) {
    const auto address = static_cast<unsigned long long>(resolver);
    if (!Owned(PyObject_CallFunction(callable.get(), "K", address))) throw PythonError();
  };
}

// Any number but a float, by what CPython makes of it first and by int() where that is nothing.
template <typename Number>
Number ToNumber(PyObject* value, Number (*convert)(PyObject*)) {
  if (PyFloat_Check(value)) Reject();
  Number number = convert(value);
  if (!PyErr_Occurred()) return number;
  if (!PyErr_ExceptionMatches(PyExc_TypeError) || !PyNumber_Check(value)) Reject();
  PyErr_Clear();
  Owned integer(PyNumber_Long(value));
  if (integer) number = convert(integer.get());
  if (PyErr_Occurred()) Reject();
  return number;
}

template <typename Item>
std::vector<Item> ToVector(PyObject* values, Item (*convert)(PyObject*)) {
  if (!PySequence_Check(values) || PyBytes_Check(values) || PyUnicode_Check(values)) Reject();
  const Py_ssize_t size = PySequence_Size(values);
  if (size < 0) throw PythonError();
  std::vector<Item> items;
  for (Py_ssize_t place = 0; place < size; ++place) {
    Owned item(PySequence_GetItem(values, place));
    if (!item) throw PythonError();
    items.push_back(convert(item.get()));
  }
  return items;
}

// ---- Calls ---------------------------------------------------------------------------------

constexpr int kRequired = INT_MIN;
constexpr int kMostParameters = 9;

// A parameter without a name is given by position alone.
struct Parameter {
  const char* name;
  const char* type;
  int fallback = kRequired;
};

struct Instance {
  PyObject_HEAD
  InterpreterWrapper* wrapper;
  PyObject* references;  // the weak ones
};

// What a method was called with; all but Bind throw Mismatch if that is of the wrong type.
class Arguments {
 public:
  explicit Arguments(PyObject* self) : self_(self) {}

  // Whether as many were given as the parameters want, and by names that they have.
  bool Bind(const Parameter* parameters, PyObject* args, PyObject* kwargs) {
    const Py_ssize_t given = PyTuple_Size(args);
    Py_ssize_t count = 0, named = 0;
    for (; parameters[count].type; ++count) {
      const char* name = parameters[count].name;
      PyObject* value = count < given ? PyTuple_GetItem(args, count) : nullptr;
      PyObject* by_name = kwargs && name ? PyDict_GetItemString(kwargs, name) : nullptr;
      if (by_name) {
        if (value) return false;
        value = by_name;
        ++named;
      }
      if (!value && parameters[count].fallback == kRequired) return false;
      values_[count] = value;
      fallbacks_[count] = parameters[count].fallback;
    }
    return given <= count && (!kwargs || PyDict_Size(kwargs) == named);
  }

  InterpreterWrapper& Self() const { return *reinterpret_cast<Instance*>(self_)->wrapper; }

  PyObject* Object(int place) const { return values_[place]; }

  PyObject* Bytes(int place) const {
    if (!PyBytes_Check(values_[place])) Reject();
    return values_[place];
  }

  int Int(int place) const {
    if (!values_[place]) return fallbacks_[place];
    const long value = ToNumber(values_[place], PyLong_AsLong);
    if (value < INT_MIN || value > INT_MAX) Reject();
    return static_cast<int>(value);
  }

  uintptr_t Address(int place) const {
    return ToNumber(values_[place], PyLong_AsUnsignedLong);
  }

  bool Bool(int place) const {
    PyObject* value = values_[place];
    if (value == Py_True || value == Py_False) return value == Py_True;
    if (value == Py_None) return false;
    auto* type = reinterpret_cast<PyObject*>(Py_TYPE(value));
    const int truth = PyObject_HasAttrString(type, "__bool__") ? PyObject_IsTrue(value) : -1;
    if (truth < 0) Reject();
    return truth;
  }

  std::string String(int place) const { return ToString(values_[place]); }

  // For the system, which a NUL would end early.
  std::string Path(int place) const {
    std::string path = String(place);
    if (path.find('\0') != std::string::npos) {
      throw std::invalid_argument("embedded null character in path");
    }
    return path;
  }

  std::vector<std::string> Strings(int place) const {
    return ToVector<std::string>(values_[place], ToString);
  }

  std::vector<Registerer> Registerers(int place) const {
    return ToVector<Registerer>(values_[place], ToRegisterer);
  }

 private:
  PyObject* self_;
  PyObject* values_[kMostParameters];  // borrowed; null where the fallback stands in
  int fallbacks_[kMostParameters];
};

// Rows of one name that follow each other are overloads.
struct Method {
  const char* name;
  Parameter parameters[kMostParameters + 1];
  const char* result;
  PyObject* (*call)(const Arguments&);
  const char* doc = nullptr;
};

bool SameName(const Method& one, const Method& other) { return !strcmp(one.name, other.name); }

// In the words of pybind11, as is all that users may see.
std::string Signature(const Method& method, const char* self) {
  std::string text = self ? std::string("(self: ") + self : "(";
  for (int place = 0; method.parameters[place].type; ++place) {
    const Parameter& parameter = method.parameters[place];
    if (self || place) text += ", ";
    text += parameter.name ? parameter.name : "arg" + std::to_string(place);
    text += std::string(": ") + parameter.type;
    if (parameter.fallback != kRequired) text += " = " + std::to_string(parameter.fallback);
  }
  return text + ") -> " + method.result;
}

std::string Repr(PyObject* value) {
  try {
    if (Owned repr{PyObject_Repr(value)}) return ToString(repr.get());
  } catch (const Mismatch&) {
  }
  PyErr_Clear();
  return "<repr raised Error>";
}

void SetMismatch(const Method* first, const Method* last, PyObject* self, PyObject* args,
                 PyObject* kwargs) {
  std::string text = std::string(first->name) +
                     "(): incompatible function arguments. The following argument types are "
                     "supported:\n";
  for (const Method* method = first; method != last; ++method) {
    text += "    " + std::to_string(method - first + 1) + ". " +
            Signature(*method, self ? CLASS : nullptr) + "\n";
  }
  text += "\nInvoked with: " + (self ? Repr(self) : "");
  for (Py_ssize_t place = 0; place < PyTuple_Size(args); ++place) {
    if (self || place) text += ", ";
    text += Repr(PyTuple_GetItem(args, place));
  }
  PyObject *name, *value;
  const char* separator = self || PyTuple_Size(args) ? "; kwargs: " : "kwargs: ";
  for (Py_ssize_t position = 0; kwargs && PyDict_Next(kwargs, &position, &name, &value);) {
    text += separator + ToString(name) + "=" + Repr(value);
    separator = ", ";
  }
  PyErr_SetString(PyExc_TypeError, text.c_str());
}

// Turns the C++ exception that is being handled into a Python one.
void Translate() {
  try {
    throw;
  } catch (const PythonError&) {
  } catch (const std::bad_alloc& error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
  } catch (const std::domain_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::length_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::out_of_range& error) {
    PyErr_SetString(PyExc_IndexError, error.what());
  } catch (const std::range_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::overflow_error& error) {
    PyErr_SetString(PyExc_OverflowError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "Caught an unknown exception!");
  }
}

PyObject* Call(const Method* first, const Method* last, PyObject* self, PyObject* args,
               PyObject* kwargs) try {
  for (const Method* method = first; method != last; ++method) {
    Arguments arguments(self);
    if (!arguments.Bind(method->parameters, args, kwargs)) continue;
    try {
      Owned result(method->call(arguments));
      return PyErr_Occurred() ? nullptr : result.release();
    } catch (const Mismatch&) {
    }
  }
  SetMismatch(first, last, self, args, kwargs);
  return nullptr;
} catch (...) {
  Translate();
  return nullptr;
}

// ---- The table -----------------------------------------------------------------------------

PyTypeObject* instance_type = nullptr;

PyObject* Instantiated(InterpreterWrapper* wrapper, const std::string& error) {
  std::unique_ptr<InterpreterWrapper> owned(wrapper);
  if (!wrapper) throw std::invalid_argument(error);
  PyObject* self = PyType_GenericAlloc(instance_type, 0);
  if (self) reinterpret_cast<Instance*>(self)->wrapper = owned.release();
  return self;
}

PyObject* FromFile(const Arguments& a) {
  std::string error;
  InterpreterWrapper* wrapper = InterpreterWrapper::CreateWrapperCPPFromFile(
      a.Path(0).c_str(), a.Int(1), a.Strings(2), &error, a.Bool(3), a.Bool(4));
  return Instantiated(wrapper, error);
}

PyObject* FromBuffer(const Arguments& a) {
  std::string error;
  InterpreterWrapper* wrapper = InterpreterWrapper::CreateWrapperCPPFromBuffer(
      a.Bytes(0), a.Int(1), a.Strings(2), &error, a.Bool(3), a.Bool(4));
  return Instantiated(wrapper, error);
}

#if TFLITE_MINOR >= 22
#define MORE_OPTIONS(a) , a.Int(6), a.Bool(7), a.Bool(8)
#define MORE_TYPES , kInt, kBool, kBool
#else
#define MORE_OPTIONS(a)
#define MORE_TYPES
#endif

PyObject* FromFileWithOps(const Arguments& a) {
  std::string error;
  InterpreterWrapper* wrapper = InterpreterWrapper::CreateWrapperCPPFromFile(
      a.Path(0).c_str(), a.Int(1), a.Strings(2), a.Registerers(3), &error, a.Bool(4),
      a.Bool(5) MORE_OPTIONS(a));
  return Instantiated(wrapper, error);
}

PyObject* FromBufferWithOps(const Arguments& a) {
  std::string error;
  InterpreterWrapper* wrapper = InterpreterWrapper::CreateWrapperCPPFromBuffer(
      a.Bytes(0), a.Int(1), a.Strings(2), a.Registerers(3), &error, a.Bool(4),
      a.Bool(5) MORE_OPTIONS(a));
  return Instantiated(wrapper, error);
}

PyObject* SetLevel(const Arguments& a) {
  tflite::interpreter_wrapper::SetLogLevel(a.String(0));
  Py_RETURN_NONE;
}

PyObject* ToPython(int value) { return PyLong_FromLong(value); }

PyObject* ToPython(const std::string& value) {
  return PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), nullptr);
}

constexpr Parameter kInt = {nullptr, "int"};
constexpr Parameter kBool = {nullptr, "bool"};
constexpr Parameter kBytes = {nullptr, "bytes"};
constexpr Parameter kStr = {nullptr, "str"};
constexpr Parameter kNames = {nullptr, "list[str]"};
constexpr Parameter kRegisterers = {nullptr, "list[Callable[[int], None]]"};
constexpr Parameter kSubgraph = {"subgraph_index", "int", 0};

constexpr Method kFunctions[] = {
    {"CreateWrapperFromFile", {kStr, kInt, kNames, kBool, kBool}, CPP_CLASS, FromFile},
    {"CreateWrapperFromFile", {kStr, kInt, kNames, kRegisterers, kBool, kBool MORE_TYPES},
     CPP_CLASS, FromFileWithOps},
    {"CreateWrapperFromBuffer", {kBytes, kInt, kNames, kBool, kBool}, CPP_CLASS, FromBuffer},
    {"CreateWrapperFromBuffer", {kBytes, kInt, kNames, kRegisterers, kBool, kBool MORE_TYPES},
     CPP_CLASS, FromBufferWithOps},
    {"SetLogLevel", {kStr}, "None", SetLevel,
     "Sets the least severity that is written to standard error."},
};

constexpr Method kMethods[] = {
    {"AllocateTensors", {{"subgraph_index", "int", -1}}, "object",
     [](const Arguments& a) { return a.Self().AllocateTensors(a.Int(0)); }},
    {"Invoke", {kSubgraph}, "object",
     [](const Arguments& a) { return a.Self().Invoke(a.Int(0)); }},
    {"InputIndices", {}, "object",
     [](const Arguments& a) { return a.Self().InputIndices(); }},
    {"OutputIndices", {}, "object",
     [](const Arguments& a) { return a.Self().OutputIndices(); }},
    {"ResizeInputTensor",
     {{"i", "int"}, {"value", "object"}, {"strict", "bool"}, kSubgraph}, "object",
     [](const Arguments& a) {
       return a.Self().ResizeInputTensor(a.Int(0), a.Object(1), a.Bool(2), a.Int(3));
     }},
    {"NumTensors", {kInt}, "int",
     [](const Arguments& a) { return ToPython(a.Self().NumTensors(a.Int(0))); }},
    {"NumViews", {}, "int",
     [](const Arguments& a) { return ToPython(a.Self().NumViews()); }},
#if TFLITE_MINOR >= 22
    {"NumSubgraphs", {}, "int",
     [](const Arguments& a) { return ToPython(a.Self().NumSubgraphs()); }},
#endif
    {"TensorName", {kInt, kInt}, "str",
     [](const Arguments& a) { return ToPython(a.Self().TensorName(a.Int(0), a.Int(1))); }},
    {"TensorType", {kInt, kInt}, "object",
     [](const Arguments& a) { return a.Self().TensorType(a.Int(0), a.Int(1)); }},
    {"TensorSize", {kInt, kInt}, "object",
     [](const Arguments& a) { return a.Self().TensorSize(a.Int(0), a.Int(1)); }},
    {"TensorSizeSignature", {kInt, kInt}, "object",
     [](const Arguments& a) { return a.Self().TensorSizeSignature(a.Int(0), a.Int(1)); }},
    {"TensorSparsityParameters", {kInt, kInt}, "object",
     [](const Arguments& a) { return a.Self().TensorSparsityParameters(a.Int(0), a.Int(1)); }},
    {"TensorQuantization", {kInt, kInt}, "object",
     [](const Arguments& a) { return a.Self().TensorQuantization(a.Int(0), a.Int(1)); },
     "Deprecated in favor of TensorQuantizationParameters."},
    {"TensorQuantizationParameters", {kInt, kInt}, "object",
     [](const Arguments& a) { return a.Self().TensorQuantizationParameters(a.Int(0), a.Int(1)); }},
    {"SetTensor", {{"i", "int"}, {"value", "object"}, kSubgraph}, "object",
     [](const Arguments& a) { return a.Self().SetTensor(a.Int(0), a.Object(1), a.Int(2)); }},
    {"GetTensor", {{"tensor_index", "int"}, kSubgraph}, "object",
     [](const Arguments& a) { return a.Self().GetTensor(a.Int(0), a.Int(1)); }},
    {"GetSubgraphIndexFromSignature", {kStr}, "object",
     [](const Arguments& a) {
       return a.Self().GetSubgraphIndexFromSignature(a.String(0).c_str());
     }},
    {"GetSignatureDefs", {}, "object",
     [](const Arguments& a) { return a.Self().GetSignatureDefs(); }},
    {"ResetVariableTensors", {}, "object",
     [](const Arguments& a) { return a.Self().ResetVariableTensors(); }},
    {"NumNodes", {}, "int",
     [](const Arguments& a) { return ToPython(a.Self().NumNodes()); }},
    {"NodeName", {kInt}, "str",
     [](const Arguments& a) { return ToPython(a.Self().NodeName(a.Int(0))); }},
    {"NodeInputs", {kInt}, "object",
     [](const Arguments& a) { return a.Self().NodeInputs(a.Int(0)); }},
    {"NodeOutputs", {kInt}, "object",
     [](const Arguments& a) { return a.Self().NodeOutputs(a.Int(0)); }},
    {"tensor", {{"base_object", "object"}, {"tensor_index", "int"}, kSubgraph}, "object",
     [](const Arguments& a) { return a.Self().tensor(a.Object(0), a.Int(1), a.Int(2)); },
     "Returns a reference to tensor index as a numpy array from subgraph.\n"
     "The base_object should be the interpreter object providing the\n"
     "memory."},
    {"ModifyGraphWithDelegate", {kInt}, "object",
     [](const Arguments& a) {
       auto* delegate = reinterpret_cast<TfLiteDelegate*>(a.Address(0));
       return a.Self().ModifyGraphWithDelegate(delegate);
     },
     "Adds a delegate to the interpreter."},
    {"SetNumThreads", {kInt}, "object",
     [](const Arguments& a) { return a.Self().SetNumThreads(a.Int(0)); },
     "ask the interpreter to set the number of threads to use."},
    {"interpreter", {}, "int",
     [](const Arguments& a) {
       return PyLong_FromSsize_t(reinterpret_cast<intptr_t>(a.Self().interpreter()));
     }},
};

// ---- The module ----------------------------------------------------------------------------

std::string Doc(const Method* first, const Method* last, const char* self) {
  const bool overloaded = last - first > 1;
  std::string text;
  if (overloaded) text += std::string(first->name) + "(*args, **kwargs)\nOverloaded function.\n\n";
  for (const Method* method = first; method != last; ++method) {
    if (method != first) text += "\n";
    if (overloaded) text += std::to_string(method - first + 1) + ". ";
    text += method->name + Signature(*method, self) + "\n";
    if (method->doc) text += std::string("\n") + method->doc + "\n";
  }
  return text;
}

template <size_t rows>
constexpr const Method* End(const Method (&table)[rows], size_t first) {
  size_t row = first + 1;
  while (row < rows && SameName(table[row], table[first])) ++row;
  return table + row;
}

template <const auto& table, bool method, size_t row>
PyObject* Entry(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const Method* const end = End(table, row);
  return Call(&table[row], end, method ? self : nullptr, args, kwargs);
}

// What CPython wants of a table; it and its strings must last as long as the process.
template <const auto& table, bool method, size_t... rows>
PyMethodDef* Definitions(std::index_sequence<rows...>) {
  static std::vector<PyMethodDef> definitions;
  const PyCFunctionWithKeywords entries[] = {Entry<table, method, rows>...};
  for (size_t row = 0; row < sizeof...(rows); ++row) {
    if (row && SameName(table[row - 1], table[row])) continue;
    const std::string doc = Doc(&table[row], End(table, row), method ? CLASS : nullptr);
    definitions.push_back({table[row].name, reinterpret_cast<PyCFunction>(entries[row]),
                           METH_VARARGS | METH_KEYWORDS, strdup(doc.c_str())});
  }
  definitions.push_back({});
  return definitions.data();
}

template <const auto& table, bool method>
PyMethodDef* Definitions() {
  return Definitions<table, method>(std::make_index_sequence<std::size(table)>());
}

PyObject* Refuse(PyTypeObject* type, PyObject*, PyObject*) {
  auto* object = reinterpret_cast<PyObject*>(type);
  Owned name(type == instance_type ? PyUnicode_FromString(CLASS)
                                   : PyObject_GetAttrString(object, "__name__"));
  if (name) PyErr_Format(PyExc_TypeError, "%S: No constructor defined!", name.get());
  return nullptr;
}

void Deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (reinterpret_cast<Instance*>(self)->references) PyObject_ClearWeakRefs(self);
  delete reinterpret_cast<Instance*>(self)->wrapper;
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

}  // namespace

PyMODINIT_FUNC PyInit__pywrap_tensorflow_interpreter_wrapper() {
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, MODULE, "\n    " MODULE "\n    -----\n  ",
                                   -1, Definitions<kFunctions, false>()};
  // CPython 3.9 and later take this for the place of weak references; before, there are none.
  static PyMemberDef members[] = {
      {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Instance, references), Py_READONLY, nullptr},
      {}};
  PyType_Slot slots[] = {{Py_tp_members, members},
                         {Py_tp_new, reinterpret_cast<void*>(Refuse)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(Deallocate)},
                         {Py_tp_methods, Definitions<kMethods, true>()},
                         {0, nullptr}};
  PyType_Spec spec = {CLASS, sizeof(Instance), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  if (!tflite::interpreter_wrapper::SetLogLevelFromEnvironment()) return nullptr;
  Owned module(PyModule_Create(&definition)), type(PyType_FromSpec(&spec));
  if (!module || !type || PyObject_SetAttrString(module.get(), "InterpreterWrapper", type.get())) {
    return nullptr;
  }
  instance_type = reinterpret_cast<PyTypeObject*>(type.release());
  return module.release();
}
