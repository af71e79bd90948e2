#!/usr/bin/env python3
"""Runs Frostline and its peers in turns on the same work, and prints medians and ratios as a table.

    cargo build --release
    python3 benches/peers/compare.py --python PATH/TO/VENV/bin/python --runs 5 --json results.json
    python3 benches/peers/compare.py --list
    python3 benches/peers/compare.py --only small-f32 'generate-*'

Standard library only; the interpreter that `--python` names has torch, transformers and tokenizers. Nothing else may
run on the machine. See README.md here.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cases import Bench, Case, Side, all_cases, say

PROGRAM = Path(__file__).resolve().parent.parent.parent / "target" / "release" / "frostline"

# Figures of a run that medians are taken of, where it has them.
FIGURES = (
    "tokens_per_second",
    "step_seconds",
    "peak_rss_bytes",
    "gflops",
    "mfu",
    "prefill_tokens_per_second",
    "decode_tokens_per_second",
    "megabytes_per_second",
    "tokens",
    "prefix_known",
    "loss_first",
    "loss_last",
)

# The share by which sides may differ in what should be the same.
SAME = 0.01


@dataclass
class Outcome:
    """What the runs of one side gave: figures by run, or why there are none."""

    label: str
    runs: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    def median(self, figure: str) -> float | None:
        values = [run[figure] for run in self.runs if run.get(figure) is not None]
        return statistics.median(values) if values else None


def run_once(side: Side, timeout: float) -> dict[str, Any]:
    """Runs a command and reads the JSON object at the end of what it prints. Its failure is a RuntimeError."""
    environment = os.environ | side.environment
    try:
        done = subprocess.run(
            side.command, capture_output=True, text=True, env=environment, check=False, timeout=timeout
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(str(error)) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        words = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()
        # Python ends with what went wrong, Frostline begins with it.
        error = words[-1] if words[0].startswith("Traceback") else " ".join(word.strip() for word in words[:3])
        raise RuntimeError(f"exit code {done.returncode}: {error}")
    try:
        result = json.loads(lines[-1])
    except json.JSONDecodeError as error:
        raise RuntimeError(f"its last line is no JSON: {error}") from error
    if not isinstance(result, dict) or not isinstance(result.get("tokens_per_second"), int | float):
        raise RuntimeError("what it printed has no tokens_per_second")
    return result


def run_case(case: Case, runs: int, timeout: float) -> list[Outcome]:
    """Every side in turns, the other way around every second time; a side that fails is left out from then on."""
    try:
        if case.preparation:
            run_once(case.preparation, timeout)
    except RuntimeError as error:
        say(f"  {case.preparation.label} FAILED: {error}")
        return [Outcome(side.label, error=str(error)) for side in case.sides]
    outcomes = [Outcome(side.label) for side in case.sides]
    pairs = list(zip(case.sides, outcomes))
    for number in range(runs):
        for side, outcome in pairs if number % 2 == 0 else reversed(pairs):
            if outcome.error is not None:
                continue
            try:
                outcome.runs.append(run_once(side, timeout))
                say(f"  {number + 1}/{runs} {side.label}: {describe(outcome.runs[-1])}")
            except RuntimeError as error:
                outcome.error = str(error)
                say(f"  {side.label} FAILED: {error}")
    return outcomes


def describe(run: dict[str, Any]) -> str:
    memory = run.get("peak_rss_bytes")
    return f"{run['tokens_per_second']:.1f} tokens/s" + (f", {memory / 1e6:.0f} MB" if memory else "")


def differences(case: Case, outcomes: list[Outcome]) -> list[str]:
    """What the sides did differently although the work should have been the same, a sentence each."""
    wanted = outcomes[0].median(case.same) if case.same else None
    if wanted is None:
        return []
    measured = [(outcome.label, outcome.median(case.same)) for outcome in outcomes[1:]]
    return [
        f"NOT THE SAME WORK: {label} has {value:.0f} {case.same}, {outcomes[0].label} {wanted:.0f}"
        for label, value in measured
        if value is not None and abs(value - wanted) > SAME * wanted
    ]


def table(case: Case, outcomes: list[Outcome]) -> str:
    """Markdown. Ratios are the first side's figure by that of the row's."""
    titles = ["", "tokens/s", "seconds a step", "peak MB", "of peak", "speed: first ÷ this", "memory: first ÷ this"]
    if case.step_tokens:
        titles += ["µs a token", "peak kB a token"]
    lines = [f"\n### {case.name}: {case.about}\n", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    first = outcomes[0]

    def ratio(outcome: Outcome, figure: str) -> str:
        ours, theirs = first.median(figure), outcome.median(figure)
        return f"{ours / theirs:.2f}" if outcome is not first and ours and theirs else "–"

    def shown(value: float | None, pattern: str, scale: float = 1.0) -> str:
        return "–" if value is None else pattern.format(value * scale)

    for outcome in outcomes:
        if not outcome.runs:
            error = (outcome.error or "").replace("|", "/")
            lines.append(f"| {outcome.label} | not measured: {error} |" + " |" * (len(titles) - 2))
            continue
        cells = [
            outcome.label,
            shown(outcome.median("tokens_per_second"), "{:.1f}"),
            shown(outcome.median("step_seconds"), "{:.4f}"),
            shown(outcome.median("peak_rss_bytes"), "{:.0f}", 1e-6),
            shown(outcome.median("mfu"), "{:.0f}%", 100.0),
            ratio(outcome, "tokens_per_second"),
            ratio(outcome, "peak_rss_bytes"),
        ]
        if case.step_tokens:
            cells.append(shown(outcome.median("step_seconds"), "{:.1f}", 1e6 / case.step_tokens))
            cells.append(shown(outcome.median("peak_rss_bytes"), "{:.1f}", 1e-3 / case.step_tokens))
        lines.append(f"| {' | '.join(cells)} |")
    told = differences(case, outcomes)
    return "\n".join([*lines, *([""] if told else []), *told])


def as_json(case: Case, outcomes: list[Outcome]) -> dict[str, Any]:
    def side(outcome: Outcome) -> dict[str, Any]:
        medians = {figure: outcome.median(figure) for figure in FIGURES}
        known = {figure: value for figure, value in medians.items() if value is not None}
        return {"side": outcome.label, "medians": known, "runs": outcome.runs, "error": outcome.error}

    told = differences(case, outcomes)
    return {"case": case.name, "about": case.about, "sides": [side(outcome) for outcome in outcomes], "notes": told}


def processor() -> str:
    """Its name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="CASE", help="cases to run, by name or pattern")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--runs", type=int, default=5, help="runs of each side [5]")
    parser.add_argument("--steps", type=int, help="timed steps of a run [6 or 10, by shape]")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of both sides [all cores]")
    parser.add_argument("--program", type=Path, default=PROGRAM, help="Frostline's [target/release/frostline]")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds after which a run has failed [1800]")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the peers [this one]")
    parser.add_argument("--without-bypass", action="store_true", help="leave out torch with MKL on AVX-512")
    parser.add_argument("--text", type=Path, help="for `prepare`: a file, instead of the bundled world's stories")
    parser.add_argument("--megabytes", type=int, default=100, help="for `prepare`, of those stories [100]")
    parser.add_argument("--json", type=Path, help="write every figure of every run here")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs must be 1 or more")
    return given


def main() -> None:
    given = arguments()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="frostline-compare-") as folder:
        bench = Bench(given, Path(folder))
        cases = all_cases(bench)
        if given.list:
            print("\n".join(f"{case.name:<20} {case.about}" for case in cases))
            return
        chosen = [case for case in cases if any(fnmatch.fnmatch(case.name, only) for only in given.only or ["*"])]
        if not chosen:
            sys.exit(f"no case is called {' or '.join(given.only)}; --list names them")
        head = {
            "processor": processor(),
            "threads": given.threads,
            "runs": given.runs,
            "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        print(f"{head['processor']}, {given.threads} threads, medians of {given.runs} runs in turns, {head['begun']}")
        for case in chosen:
            say(f"{case.name}: {case.about}")
            outcomes = run_case(case, given.runs, given.timeout)
            print(table(case, outcomes), flush=True)
            results.append(as_json(case, outcomes))
            # What was measured stays if a later case is interrupted.
            if given.json:
                given.json.write_text(json.dumps(head | {"cases": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
