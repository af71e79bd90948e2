"""The program under measurement: its commands, and runs of its own that train on every core."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from terminal import Terminal

# As the guided first run's pretraining, without an end.
PLAN = """
name = "load"
seed = 7
tokenizer = { vocabulary = 2048 }
model = { preset = "llama-1m", context = 256 }

[[phase]]
name = "pretrain"
objective = "clm"
corpus = "world:stories"
steps = 1_000_000
batch = 16
context = 128
optimizer = { learning_rate = 1e-3 }
schedule = { kind = "constant" }
evaluation = { every = 0, tokens = 20_000, examples = 300 }
"""
PATIENCE_SECONDS = 120.0
# Steps before anything is measured: the first are slower.
WARM_UP_STEPS = 10


class Program:
    """A binary with a home of its own."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path, self.home = str(path.resolve()), home
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LINES", "COLUMNS")},
            "FROSTLINE_HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }

    def ask(self, *arguments: str) -> str:
        """What a command prints."""
        done = subprocess.run([self.path, *arguments], env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def open(self, *arguments: str) -> Terminal:
        """The workbench in a terminal."""
        return Terminal([self.path, *arguments], self.environment)


class Run:
    """A run that trains in a host of its own while this is entered."""

    def __init__(self, program: Program, name: str) -> None:
        self.program, self.name = program, name
        self.host: subprocess.Popen | None = None
        # Processor seconds per second that the host used, once it has ended.
        self.cores = 0.0

    def __enter__(self) -> Run:
        plan = self.program.home / "load.toml"
        plan.write_text(PLAN)
        command = [self.program.path, "host", str(plan), "--run", self.name]
        with open(self.program.home / f"{self.name}.log", "wb") as log:
            self.host = subprocess.Popen(command, env=self.program.environment, stdout=log, stderr=log)
        self.began = time.perf_counter()
        try:
            self.until(lambda status: (status.get("step") or 0) >= WARM_UP_STEPS)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the host and waits for its end; a second time does nothing."""
        if self.host is None:
            return
        try:
            self.tell("stop", self.name)
        except SystemExit:
            self.host.terminate()
        _, _, used = os.wait4(self.host.pid, 0)
        self.cores = (used.ru_utime + used.ru_stime) / (time.perf_counter() - self.began)
        self.host.returncode, self.host = 0, None

    def tell(self, *arguments: str) -> dict:
        return json.loads(self.program.ask(*arguments, "--json"))

    def status(self) -> dict:
        return self.tell("status", self.name)

    def step(self) -> int:
        return self.status()["step"]

    def until(self, is_so: Callable[[dict], bool]) -> None:
        """Waits until its status is as wanted."""
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline:
            if self.host and self.host.poll() is not None:
                break
            try:
                if is_so(self.status()):
                    return
            except SystemExit:
                pass  # The run's folder is not there yet.
            time.sleep(0.2)
        log = (self.program.home / f"{self.name}.log").read_text()
        raise SystemExit(f"the run {self.name} does not get there: {log}")

    def steps(self) -> list[dict]:
        """The steps it recorded, in order; complete when the host has ended."""
        lines = (self.program.home / "runs" / self.name / "metrics.jsonl").read_text().splitlines()
        return [record["step"] for record in map(json.loads, lines) if "step" in record]
