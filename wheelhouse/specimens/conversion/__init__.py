"""How does a TensorFlow.js graph model become a TFLite model, in FP32 or INT8?"""
