"""What tflite_runtime does, case by case; each module is a section of them."""
