"""The examples' models on an emulated Raspberry Pi give the answers that they give here."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

from tests.support import REPO
from wheelhouse.common.step import get_or_make
from wheelhouse.machines import qemu, rootfs
from wheelhouse.package import models_wheel, products
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models, pipelines
from wheelhouse.specimens.conversion import write
from wheelhouse.targets import systems
from wheelhouse.verify import session

NAMES = ("antispoof", "liveness", "emotion", "faceres", "nanodet")
TOLERANCES = {"fp32": 1e-4, "int8": 0.05}
"""The largest difference, relative to the largest absolute value; kernels of INT8 round apart."""


def test_converted_models_give_the_same_answers_on_a_pi(
    universal: Path, fetcher: Fetcher, archives: dict[str, Path]
) -> None:
    portrait = models.portrait(archives)
    face = portrait.crop((170, 60, 280, 190))
    known = pipelines.pipelines().converted
    pictures = {
        name: pipelines.prepare(
            portrait if name == "nanodet" else face, known[name].size, known[name].range
        )
        for name in NAMES
    }
    wanted = [f"{name},{precision}" for name in NAMES for precision in TOLERANCES]
    system = systems.system("bookworm")
    (product, _) = models_wheel.wheels()
    ours = products.wheel_in(get_or_make(product.step, fetcher))
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        session.install(universal, ours, system, fetcher, work)
        np.savez(work / "inputs.npz", **pictures)  # type: ignore[arg-type]
        (work / "run.py").write_bytes((REPO / "tests/guest/examples_models.py").read_bytes())
        done = qemu.run(
            ["env/bin/python", "run.py", "inputs.npz", "outputs.npz", *wanted],
            tree=rootfs.tree(system, fetcher.store),
            board=systems.board("Raspberry Pi 4"),
            work=work,
            env={"TFLITE_LOG_LEVEL": "info"},
        )
        assert done.status == 0, done.stderr
        assert "XNNPACK delegate" in done.stderr
        with np.load(work / "outputs.npz") as found:
            answers = dict(found)
    for name in NAMES:
        folder = get_or_make(models_wheel.conversion(name), fetcher)
        for precision, tolerance in TOLERANCES.items():
            suffix = "-int8" if precision == "int8" else ""
            here = Interpreter(str(folder / f"{name}{suffix}.tflite"))
            runner = here.get_signature_runner(write.SIGNATURE)
            for output, values in runner(image=pictures[name]).items():
                other = answers[f"{name},{precision},{output}"]
                worst = np.abs(other - values).max() / np.abs(values).max()
                assert worst <= tolerance, (name, precision, output, worst)
