"""Benchmark TensorFlow Lite models on a Raspberry Pi: ``python3 -m tflite_bench model.tflite``.

Needs CPython 3.7 or later, NumPy, and tflite-runtime, ai-edge-litert or TensorFlow.
"""

__version__ = "1.0"
