"""A stand-in for the runtime that does wrong what a model says; the real ones do nothing wrong."""

INTERPRETER = """
import ctypes, enum
OpResolverType = enum.Enum("OpResolverType", "A B C D")
class Interpreter:
    def __init__(self, model_path=None, model_content=None, **_):
        self.content = model_content or open(model_path, "rb").read()
        self._interpreter = self
    def __getattr__(self, name):
        return lambda *_: []
"""
"""The beginning of its ``interpreter.py``: tests add ``NumTensors`` and what goes wrong."""
