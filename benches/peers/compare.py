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

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "target" / "release" / "frostline"

# MKL asks this function whether it may take its AVX-512 path.
VENDOR_CHECK = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"

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
    "loss_first",
    "loss_last",
)

# (name, flags of the shape, rows of a step, timed steps)
SHAPES: list[tuple[str, str, int, int]] = [
    ("small", "", 8, 10),
    ("gpt2-124m", "--layers 12 --heads 12 --width 768 --vocabulary 50257", 2, 6),
    (
        "llama-15m",
        "--family llama --layers 6 --heads 6 --kv-heads 2 --width 384 --intermediate 1024 --vocabulary 8192",
        8,
        10,
    ),
    (
        "llama-135m",
        "--family llama --layers 30 --heads 9 --kv-heads 3 --width 576 --intermediate 1536 --vocabulary 49152",
        2,
        6,
    ),
]
GPT2_124M = SHAPES[1][1].split()
# Rows of these contexts, as many as make this many tokens a step.
CONTEXTS = (256, 512, 1024, 2048, 4096)
LONG_STEP_TOKENS = 8192


@dataclass(frozen=True)
class Side:
    """One of those that do the same work."""

    label: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Work, and who does it; the others are compared with the first."""

    name: str
    about: str
    sides: list[Side]
    # Run once before, for what the sides need.
    preparation: Side | None = None


@dataclass
class Outcome:
    """What the runs of one side gave: figures by run, or why there are none."""

    label: str
    runs: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    def median(self, figure: str) -> float | None:
        values = [run[figure] for run in self.runs if run.get(figure) is not None]
        return statistics.median(values) if values else None


class Bench:
    """The commands of both sides, with the same threads."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder = given, folder
        self.preload = None if given.without_bypass else build_vendor_check(folder)

    def ours(self, bench: str, *flags: str) -> list[str]:
        threads = ["--threads", str(self.given.threads)]
        return [str(self.given.program), "--home", str(self.folder / "home"), "bench", bench, *flags, *threads, "--json"]

    def our_side(self, label: str, bench: str, *flags: str) -> Side:
        return Side(label, self.ours(bench, *flags))

    def peer(self, label: str, script: str, *flags: str) -> list[Side]:
        """The peer as it is installed, and with MKL's vendor check answered where that could be built."""
        command = [self.given.python, str(HERE / script), *flags, "--threads", str(self.given.threads)]
        environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(self.given.threads)}
        sides = [Side(f"{label}, as installed", command, environment)]
        if self.preload:
            bypass = environment | {"LD_PRELOAD": str(self.preload)}
            sides.append(Side(f"{label}, MKL on AVX-512", command, bypass))
        return sides

    def steps(self, timed: int) -> list[str]:
        return ["--steps", str(self.given.steps or timed)]


def build_vendor_check(folder: Path) -> Path | None:
    """The library that answers MKL's question; says so where it cannot be built."""
    source, library = folder / "vendor_check.c", folder / "libmkl512.so"
    source.write_text(VENDOR_CHECK)
    for compiler in ("cc", "gcc", "clang"):
        try:
            command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source)]
            subprocess.run(command, check=True, capture_output=True)
            return library
        except (OSError, subprocess.CalledProcessError) as error:
            reason = error
    say(f"NOT MEASURED: torch with MKL on AVX-512, as no C compiler could build the answer to its check ({reason})")
    return None


def step_cases(bench: Bench) -> list[Case]:
    cases = []
    for name, shape, batch, timed in SHAPES:
        flags = [*shape.split(), "--batch", str(batch), *bench.steps(timed)]
        for precision in ("f32", "bf16"):
            own = [*flags, "--precision", precision]
            sides = [bench.our_side("Frostline", "step", *own, "--mfu")]
            sides += bench.peer("torch.compile", "train_step.py", *own)
            cases.append(Case(f"{name}-{precision}", f"a training step, {precision}", sides))
    return cases


def frozen_cases(bench: Bench) -> list[Case]:
    cases = []
    for name, shape, batch, timed in SHAPES[:2]:
        flags = [*shape.split(), "--batch", str(batch), *bench.steps(timed)]
        half = "6" if name == "gpt2-124m" else "3"
        sides = [
            bench.our_side("all trains", "step", *flags),
            bench.our_side("lower half frozen", "step", *flags, "--frozen-blocks", half),
        ]
        cases.append(Case(f"{name}-frozen", "a step with the embeddings and the lower half of the blocks frozen", sides))
    return cases


def context_case(bench: Bench) -> Case:
    def side(context: int) -> Side:
        rows = LONG_STEP_TOKENS // context
        flags = ["--context", str(context), "--batch", str(rows), *bench.steps(4)]
        return bench.our_side(f"{rows} rows of {context}", "step", *flags)

    about = f"steps of {LONG_STEP_TOKENS} tokens of the small shape in longer and longer rows"
    return Case("context", about, [side(context) for context in CONTEXTS])


def generate_cases(bench: Bench) -> list[Case]:
    cases = []
    for precision in ("f32", "bf16"):
        for batch in (1, 16):
            flags = [*GPT2_124M, "--batch", str(batch), "--precision", precision]
            sides = [bench.our_side("Frostline", "generate", *flags)]
            sides += bench.peer("transformers generate", "generate.py", *flags)
            about = f"128 tokens after a prompt of 128, {batch} side by side, GPT-2 124M, {precision}"
            cases.append(Case(f"generate-{batch}-{precision}", about, sides))
    return cases


def prepare_case(bench: Bench) -> Case:
    """The tokenizer, and the text where none is given, are written by Frostline before."""
    saved = bench.folder / "prepared"
    text = bench.given.text or saved / "text.txt"
    peer = [bench.given.python, str(HERE / "encode_batch.py"), str(saved / "tokenizer.json"), str(text)]
    environment = {"RAYON_NUM_THREADS": str(bench.given.threads), "TOKENIZERS_PARALLELISM": "true"}
    sides = [
        bench.our_side("Frostline", "prepare", str(text), "--tokenizer", str(saved / "tokenizer.json")),
        Side("tokenizers encode_batch", peer, environment),
        Side("tokenizers encode_batch_fast", [*peer, "--fast"], environment),
    ]
    given = [str(bench.given.text)] if bench.given.text else ["--megabytes", str(bench.given.megabytes)]
    flags = [*given, "--vocabulary", "16384", "--save", str(saved)]
    preparation = bench.our_side("training a tokenizer", "prepare", *flags)
    return Case("prepare", "text to tokens, a vocabulary of up to 16384", sides, preparation)


def run_once(side: Side) -> dict[str, Any]:
    """Runs a command and reads the JSON object at the end of what it prints. Its failure is a RuntimeError."""
    environment = os.environ | side.environment
    done = subprocess.run(side.command, capture_output=True, text=True, env=environment, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        words = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()
        # Python ends with what went wrong, Frostline begins with it.
        error = words[-1] if words[0].startswith("Traceback") else " ".join(word.strip() for word in words[:3])
        raise RuntimeError(f"exit code {done.returncode}: {error}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def run_case(case: Case, runs: int) -> list[Outcome]:
    """Every side in turns, the other way around every second time; a side that fails is left out from then on."""
    try:
        if case.preparation:
            run_once(case.preparation)
    except (RuntimeError, OSError, json.JSONDecodeError) as error:
        say(f"  {case.preparation.label} FAILED: {error}")
        return [Outcome(side.label, error=str(error)) for side in case.sides]
    outcomes = [Outcome(side.label) for side in case.sides]
    pairs = list(zip(case.sides, outcomes))
    for number in range(runs):
        for side, outcome in pairs if number % 2 == 0 else reversed(pairs):
            if outcome.error is not None:
                continue
            try:
                outcome.runs.append(run_once(side))
                say(f"  {number + 1}/{runs} {side.label}: {describe(outcome.runs[-1])}")
            except (RuntimeError, OSError, json.JSONDecodeError) as error:
                outcome.error = str(error)
                say(f"  {side.label} FAILED: {error}")
    return outcomes


def describe(run: dict[str, Any]) -> str:
    return f"{run['tokens_per_second']:.1f} tokens/s, {run.get('peak_rss_bytes', 0) / 1e6:.0f} MB"


def table(case: Case, outcomes: list[Outcome]) -> str:
    """Markdown. Ratios are the first side's figure by that of the row's."""
    lines = [
        f"\n### {case.name}: {case.about}\n",
        "| | tokens/s | seconds a step | peak MB | of peak | speed: first ÷ this | memory: first ÷ this |",
        "|---|---|---|---|---|---|---|",
    ]
    first = outcomes[0]

    def ratio(outcome: Outcome, figure: str) -> str:
        ours, theirs = first.median(figure), outcome.median(figure)
        return f"{ours / theirs:.2f}" if outcome is not first and ours and theirs else "–"

    def shown(value: float | None, pattern: str, scale: float = 1.0) -> str:
        return "–" if value is None else pattern.format(value * scale)

    for outcome in outcomes:
        if not outcome.runs:
            lines.append(f"| {outcome.label} | not measured: {(outcome.error or '').replace('|', '/')} | | | | | |")
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
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(case: Case, outcomes: list[Outcome]) -> dict[str, Any]:
    def side(outcome: Outcome) -> dict[str, Any]:
        medians = {figure: outcome.median(figure) for figure in FIGURES}
        known = {figure: value for figure, value in medians.items() if value is not None}
        return {"side": outcome.label, "medians": known, "runs": outcome.runs, "error": outcome.error}

    return {"case": case.name, "about": case.about, "sides": [side(outcome) for outcome in outcomes]}


def processor() -> str:
    """Its name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="CASE", help="cases to run, by name or pattern")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--runs", type=int, default=5, help="runs of each side [5]")
    parser.add_argument("--steps", type=int, help="timed steps of a run [6 or 10, by shape]")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of both sides [all cores]")
    parser.add_argument("--program", type=Path, default=PROGRAM, help="Frostline's [target/release/frostline]")
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
        cases = [*step_cases(bench), *frozen_cases(bench), context_case(bench), *generate_cases(bench), prepare_case(bench)]
        if given.list:
            print("\n".join(f"{case.name:<18} {case.about}" for case in cases))
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
            outcomes = run_case(case, given.runs)
            print(table(case, outcomes), flush=True)
            results.append(as_json(case, outcomes))
            # What was measured stays if a later case is interrupted.
            if given.json:
                given.json.write_text(json.dumps(head | {"cases": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
