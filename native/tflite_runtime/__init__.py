"""The TensorFlow Lite runtime: its interpreter is in ``tflite_runtime.interpreter``."""


def set_log_level(level: str) -> None:
    """Set the least severity of what TensorFlow Lite writes to standard error.

    ``level`` is "verbose", "info" (as it is unless the environment variable TFLITE_LOG_LEVEL says
    otherwise), "warning", "error" or "silent". Raises ValueError if it is none of them.
    """
    from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native

    native.SetLogLevel(str(level))
