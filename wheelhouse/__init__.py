"""Cross-compile, test and publish ``tflite_runtime`` wheels for Raspberry Pi and PCs."""
