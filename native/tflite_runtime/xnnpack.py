"""XNNPACK with options: threads and precision.

    from tflite_runtime import xnnpack
    from tflite_runtime.interpreter import Interpreter

    delegate = xnnpack.delegate(num_threads=4, precision="fp16")
    interpreter = Interpreter("model.tflite", experimental_delegates=[delegate])

Without it an interpreter uses XNNPACK as well, in the model's own precision.
"""

from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as _native
from tflite_runtime.interpreter import Delegate


def delegate(*, num_threads=None, precision="fp32"):
    """Make a delegate to give to ``Interpreter(experimental_delegates=[...])``.

    It takes the place of the XNNPACK that the interpreter would use by itself, after all other
    delegates. Several interpreters may use it, in several threads.

    ``num_threads`` is the number of threads of its interpreters, 1 to 1024; 0 means 1. Without it
    the interpreters' own number counts. ``precision`` is "fp32" or "fp16". With "fp16" a model of
    floating-point numbers is computed in FP16, which has 11 significant bits and ends at 65504; one
    that cannot be, and one with quantised tensors or resource variables, is computed as without
    it. On a CPU without FP16 arithmetic it is computed in FP32, and one line on standard error says
    so.

    Raises ValueError for another number or word, and if the wheel was built without XNNPACK.
    """
    options = {"num_threads": num_threads, "precision": precision}
    given = {key: value for key, value in options.items() if value is not None}
    return Delegate(_native.__file__, given)
