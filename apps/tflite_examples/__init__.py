"""TensorFlow Lite on a Raspberry Pi, by example: ``python3 -m tflite_examples detect picture.jpg``.

Needs CPython 3.7 or later, NumPy, Pillow, a runtime as tflite-runtime, and tflite-examples-models.
Each pipeline is a module to be read and copied: load, preprocess, invoke, decode, draw.
"""

__version__ = "1.0"
