"""XNNPACK with options: threads, precision and packed weights.

    from tflite_runtime import xnnpack
    from tflite_runtime.interpreter import Interpreter

    delegate = xnnpack.delegate(num_threads=4, precision="fp16")
    interpreter = Interpreter("model.tflite", experimental_delegates=[delegate])

Without it an interpreter uses XNNPACK as well, in the model's own precision.
"""

import os

from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as _native
from tflite_runtime.interpreter import Delegate


def delegate(*, num_threads=None, precision="fp32", weight_cache=None, share_weights=False):
    """Make a delegate to give to ``Interpreter(experimental_delegates=[...])``.

    It takes the place of the XNNPACK that the interpreter would use by itself, after all other
    delegates. Several interpreters may use it, in several threads.

    ``num_threads`` is the number of threads of its interpreters, 1 to 1024; 0 means 1. Without it
    the interpreters' own number counts. ``precision`` is "fp32" or "fp16". With "fp16" a model of
    floating-point numbers is computed in FP16, which has 11 significant bits and ends at 65504; one
    that cannot be, and one with quantised tensors or resource variables, is computed as without
    it. On a CPU without FP16 arithmetic it is computed in FP32, and one line on standard error says
    so.

    XNNPACK packs weights: it keeps a copy in the order in which it reads them. ``weight_cache`` is
    the path of a file for the packed weights of one model. It is written when an interpreter packs
    weights that it does not have. An interpreter that finds it packs less, and shares the file's
    memory with other processes. A file that is damaged, or that another model, tflite_runtime or
    CPU wrote, is replaced. A file of something else, and one that cannot be read, stays. One line
    on standard error says so. With ``share_weights`` interpreters of one model in one process share
    packed weights in memory. Results are the same with and without both.

    Raises ValueError for another number or word, and if the wheel was built without XNNPACK.
    """
    options = {"num_threads": num_threads, "precision": precision, "share_weights": share_weights}
    if weight_cache is not None:
        # A delegate takes text in UTF-8, which need not be how the system's locale names files.
        path = os.path.realpath(os.fsencode(weight_cache))
        options["weight_cache"] = path.decode("utf-8", "surrogateescape")
    given = {key: value for key, value in options.items() if value is not None}
    return Delegate(_native.__file__, given)
