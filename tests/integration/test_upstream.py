"""The script that runs TensorFlow's tests, with tests of our own, beside ai-edge-litert."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.support.compiler import compiler, environment
from wheelhouse.common import process
from wheelhouse.common.store import Store
from wheelhouse.specimens import models
from wheelhouse.verify import runtime_trials, upstream

TEST = """
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import interpreter as interpreter_wrapper
from tensorflow.lite.python import lite
from tensorflow.lite.python.metrics import metrics
from tensorflow.lite.python.testdata import _pywrap_test_registerer as test_registerer
from tensorflow.python.framework import test_util
from tensorflow.python.platform import resource_loader
from tensorflow.python.platform import test

class AnyTest(test_util.TensorFlowTestCase):
  def testModels(self):
    for name in ("permute_float", "permute_uint8"):
      path = resource_loader.get_path_to_datafile(f"testdata/{name}.tflite")
      it = interpreter_wrapper.Interpreter(model_path=path)
      it.allocate_tensors()
      (given,), (made,) = it.get_input_details(), it.get_output_details()
      it.set_tensor(given["index"], np.array([[1, 2, 3, 4]], given["dtype"]))
      it.invoke()
      self.assertAllEqual(it.get_tensor(made["index"]), [[4, 3, 2, 1]])

  def testConverted(self):
    class Model(tf.keras.models.Model):
      @tf.function(input_signature=[tf.TensorSpec(shape=[None], dtype=tf.float32)])
      def Sum(self, x):
        raise AssertionError
    concrete = Model().Sum.get_concrete_function(tf.TensorSpec([None], tf.float32))
    converter = lite.TFLiteConverterV2.from_concrete_functions([concrete], Model())
    runner = tf.lite.Interpreter(model_content=converter.convert()).get_signature_runner()
    self.assertAllEqual(runner(x=np.float32([1, 2, 4]))["output_0"], 7)
    runner(x=tf.zeros([0], tf.float32))

  def testRegisterer(self):
    test_registerer.TF_TestRegisterer(3)
    self.assertEqual(test_registerer.get_num_test_registerer_calls(), 4)

  def testMetrics(self):
    metrics.TFLiteMetrics().increase_counter_interpreter_creation()

  def testDifferent(self):
    self.assertAllEqual([1, 2], [1, 3])

  def testShorter(self):
    self.assertLen([1], 2)

  def testRaises(self):
    raise KeyError("here")

  def testSkipped(self):
    self.skipTest("not today")

if __name__ == "__main__":
  test.main()
"""
REGISTERER = """
static long calls;
void TF_TestRegisterer(void *resolver) { calls = (long)resolver; }
int _ZN6tflite29get_num_test_registerer_callsEv(void) { return calls + 1; }
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("upstream")
    store = Store.default()
    (folder / "registerer.c").write_text(REGISTERER)
    cc = compiler(store, "x86_64").cc
    words = (cc, "-shared", "-fPIC", "registerer.c", "-o", "test_registerer.so")
    done = process.run(words, cwd=folder, env=environment())
    assert done.status == 0, done.stderr
    known = {model.name: model.content for model in models.generated()}
    files = {
        **upstream.generated(),
        "interpreter_test.py": TEST.encode(),
        "good.bin": known["arithmetic"],
        "bad.bin": models.bad_files()["unknown-operator"],
    }
    for path in (runtime_trials.PROBE, upstream.PROBE):
        files[path.name] = path.read_bytes()
    entries = [{"name": name, "outputs": f"{name}.npz"} for name in ("good.bin", "bad.bin")]
    plan = {"module": "ai_edge_litert.interpreter", "test": upstream.TEST, "models": entries}
    files["plan.json"] = json.dumps(plan).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    subprocess.run(
        [sys.executable, upstream.PROBE.name, "plan.json", "out"], cwd=folder, check=True
    )
    with np.load(folder / "good.bin.npz") as stored:
        outputs = {name: stored[name].tolist() for name in stored.files}
    return {**json.loads((folder / "out").read_text()), "outputs": outputs}


def test_each_test_is_told(report: dict[str, Any]) -> None:
    ends = report["tests"]
    assert report["error"] is None
    assert sorted(ends) == sorted(upstream.tests_in(TEST))
    assert {name.partition(".")[2]: each["end"] for name, each in ends.items()} == {
        "testModels": "passed",
        "testConverted": "passed",
        "testRegisterer": "passed",
        "testMetrics": "passed",
        "testDifferent": "failed",
        "testShorter": "failed",
        "testRaises": "failed",
        "testSkipped": "skipped",
    }
    assert ends["AnyTest.testRaises"]["seen"] == "KeyError: 'here'"
    assert ends["AnyTest.testSkipped"]["seen"] == "not today"


def test_models_run_and_are_refused(report: dict[str, Any]) -> None:
    assert report["models"]["good.bin"] == {"stage": "end", "error": None}
    assert upstream.ended(report["models"]["bad.bin"]) == "RuntimeError at allocate"
    values = np.array([-0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, -0.75])
    total, product = report["outputs"].values()
    assert np.allclose(total, 2 * values)
    assert np.allclose(product, values**2)
