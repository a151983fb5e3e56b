"""Run a GitHub workflow here, job by job: each on a machine that has nothing but a checkout.

What moves between jobs are the artefacts that the workflow uploads and downloads, and the outputs
of jobs. Actions that do more than that are left out; so are jobs with a condition or without steps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

Checkout = Callable[[Path], None]
"""Put a checkout, with ./inv in it, into an empty folder."""

_EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")
_FROM_JSON = re.compile(r"fromJSON\(([\w.]+)\)((?:\.\w+)*)")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Machine:
    """One run of one job; ``known`` is what its expressions may name."""

    folder: Path
    known: dict[str, Any]

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return self.folder / "home"

    @property
    def checkout(self) -> Path:
        """The folder that steps run in."""
        return self.folder / "checkout"

    def value(self, text: str) -> Any:
        """What a text with expressions stands for."""
        if whole := _EXPRESSION.fullmatch(text):
            return self._evaluated(whole[1])
        return _EXPRESSION.sub(lambda found: str(self._evaluated(found[1])), text)

    def _evaluated(self, expression: str) -> Any:
        if parsed := _FROM_JSON.fullmatch(expression):
            found = json.loads(_follow(self.known, parsed[1]))
            return _follow(found, parsed[2].removeprefix("."))
        return _follow(self.known, expression)

    def path(self, text: str) -> str:
        """A path in a step, absolute."""
        text = str(self.value(text))
        return str(self.home) + text[1:] if text.startswith("~/") else str(self.checkout / text)


def _follow(value: Any, dotted: str) -> Any:
    for name in filter(None, dotted.split(".")):
        value = value[name]
    return value


@dataclass
class Run:
    """One run of a workflow below an empty folder; ``shared`` is laid into each home folder."""

    workflow: Path
    folder: Path
    checkout: Checkout
    shared: Checkout = lambda home: None
    outputs: dict[str, Any] = field(default_factory=dict)

    def jobs(self) -> list[str]:
        """Run all jobs in the order of the file; the names of their runs."""
        done = []
        for name, job in yaml.safe_load(self.workflow.read_text())["jobs"].items():
            if "steps" not in job or "if" in job:
                continue
            needs = job.get("needs", [])
            needs = [needs] if isinstance(needs, str) else needs
            known = {"needs": {each: {"outputs": self.outputs[each]} for each in needs}}
            for number, row in enumerate(self._rows(job, known)):
                machine = Machine(self.folder / f"{name}-{number}", {**known, "matrix": row})
                self._run(name, job, machine)
                done.append(str(machine.value(job["name"])))
        return done

    def artefact(self, name: str) -> Path:
        """The folder of an artefact."""
        return self.folder / "artefacts" / name

    def _rows(self, job: dict[str, Any], known: dict[str, Any]) -> list[dict[str, Any]]:
        if "strategy" not in job:
            return [{}]
        rows = Machine(self.folder, known).value(job["strategy"]["matrix"]["include"])
        assert rows
        return list(rows)

    def _run(self, name: str, job: dict[str, Any], machine: Machine) -> None:
        machine.home.mkdir(parents=True)
        machine.checkout.mkdir()
        self.shared(machine.home)
        machine.known["steps"] = {}
        for step in job["steps"]:
            if "if" in step and not machine.value(f"${{{{ {step['if']} }}}}"):
                continue
            if "run" in step:
                made = self._command(step["run"], job.get("env", {}), machine)
                machine.known["steps"][step.get("id")] = {"outputs": made}
            else:
                self._action(step["uses"].partition("@")[0], step.get("with", {}), machine)
        wanted = job.get("outputs", {})
        self.outputs[name] = {key: machine.value(text) for key, text in wanted.items()}

    def _command(self, run: str, env: dict[str, str], machine: Machine) -> dict[str, str]:
        output = machine.folder / "output"
        output.write_text("")
        moved = ("XDG_CACHE_HOME", "WHEELHOUSE_CACHE")
        kept = {key: value for key, value in os.environ.items() if key not in moved}
        given = {key: str(machine.value(text)) for key, text in env.items()}
        own = {"HOME": str(machine.home), "GITHUB_OUTPUT": str(output)}
        done = subprocess.run(
            ["sh", "-e", "-c", run],
            cwd=machine.checkout,
            env={**kept, **given, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{run} in {machine.folder.name}: {done.stderr}"
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    def _action(self, action: str, told: dict[str, Any], machine: Machine) -> None:
        if action == "actions/checkout":
            machine.checkout.rmdir()
            self.checkout(machine.checkout)
        elif action == "actions/upload-artifact":
            self._upload(str(machine.value(told["name"])), machine.path(told["path"]))
        elif action == "actions/download-artifact":
            self._download(told, machine)

    def _upload(self, name: str, path: str) -> None:
        """As the action: below the first wildcard, or the folder; modes of files are lost."""
        wild = _WILD.search(path)
        base = Path(path[: wild.start()].rpartition("/")[0]) if wild else Path(path)
        found = base.glob(path[len(str(base)) + 1 :]) if wild else base.rglob("*")
        files = [each for each in found if each.is_file()]
        assert files, f"{path} has no files"
        for each in files:
            _copy(each, self.artefact(name) / each.relative_to(base))

    def _download(self, told: dict[str, Any], machine: Machine) -> None:
        pattern = str(machine.value(told.get("name") or told["pattern"]))
        folder = self.folder / "artefacts"
        found = [each for each in folder.iterdir() if fnmatch(each.name, pattern)]
        assert found, f"no artefact {pattern}"
        for artefact in found:
            for each in filter(Path.is_file, artefact.rglob("*")):
                _copy(each, Path(machine.path(told["path"])) / each.relative_to(artefact))


def _copy(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(old, new)
