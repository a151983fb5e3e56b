"""The error that a user can do something about."""

from __future__ import annotations


class BenchError(Exception):
    """Tells ``what`` is wrong and what to ``do`` next."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(what)
        self.what = what
        self.do = do


_ADVICE = (
    ("tflite_armnn_delegate", "Install the delegate: `pip install tflite-armnn-delegate`."),
    ("OpResolverType", "This runtime cannot run without its default delegate; try a newer one."),
    ("Flex", "The model uses TensorFlow's own operators: only TensorFlow can run it."),
    ("custom op", "The model uses operators of its own, which this runtime does not have."),
    ("builtin opcode", "The model needs a newer runtime."),
    ("op for builtin", "The model needs a newer runtime."),
    ("latbuffer", "Is the file a TensorFlow Lite model, and whole?"),
    ("identifier", "Is the file a TensorFlow Lite model, and whole?"),
    ("_ARRAY_API", "The runtime needs an older NumPy: `pip install 'numpy<2'`."),
    ("multiarray", "The runtime needs an older NumPy: `pip install 'numpy<2'`."),
    ("ImportError", "Install this runtime again, for this Python and its NumPy."),
    ("MemoryError", "The model needs more memory than there is."),
    ("SIGSEGV", "Try a newer runtime, and an older NumPy: `pip install 'numpy<2'`."),
    ("SIGKILL", "The kernel ended it, probably because memory ran out; try it alone."),
)


def advice(reason: str) -> str:
    """What to do next about a contestant that failed for a reason."""
    for word, do in _ADVICE:
        if word in reason:
            return do
    return "Try the model with another runtime or delegate, to see which of the two is at fault."
