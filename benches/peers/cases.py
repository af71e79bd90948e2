"""The work that `compare.py` measures: each case, and the commands of its sides.

Standard library only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent

# MKL asks this function whether it may take its AVX-512 path.
VENDOR_CHECK = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"

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


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


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
    # Tokens of a step, where time and memory by token are of interest.
    step_tokens: int | None = None
    # What all sides must come to, within SAME of the first's, to have done the same work.
    same: str | None = None


class Bench:
    """The commands of both sides, with the same threads."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder = given, folder
        # Built before a case is run, not to list them.
        self.preload = None if given.without_bypass or given.list else build_vendor_check(folder)

    def ours(self, bench: str, *flags: str) -> list[str]:
        threads = ["--threads", str(self.given.threads)]
        program = [str(self.given.program), "--home", str(self.folder / "home")]
        return [*program, "bench", bench, *flags, *threads, "--json"]

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
            bench.our_side("the same, rows known", "step", *flags, "--frozen-blocks", half, "--prefix-cache", "256"),
        ]
        cases.append(Case(f"{name}-frozen", "a step with embeddings and the lower half of the blocks frozen", sides))
    return cases


def recompute_cases(bench: Bench) -> list[Case]:
    cases = []
    for name, shape, batch, timed in SHAPES[:2]:
        flags = [*shape.split(), "--batch", str(batch), *bench.steps(timed)]
        sides = [
            bench.our_side("all kept", "step", *flags),
            bench.our_side("blocks computed again", "step", *flags, "--recompute", "blocks"),
        ]
        cases.append(Case(f"{name}-recompute", "a step that computes its blocks again on the way back", sides))
    return cases


def context_case(bench: Bench) -> Case:
    def side(context: int) -> Side:
        rows = LONG_STEP_TOKENS // context
        flags = ["--context", str(context), "--batch", str(rows), *bench.steps(4)]
        return bench.our_side(f"{rows} rows of {context}", "step", *flags)

    about = f"steps of {LONG_STEP_TOKENS} tokens of the small shape in longer and longer rows"
    return Case("context", about, [side(context) for context in CONTEXTS], step_tokens=LONG_STEP_TOKENS)


def generate_cases(bench: Bench) -> list[Case]:
    cases = []
    for weights in ("f32", "bf16"):
        for batch in (1, 16):
            flags = [*GPT2_124M, "--batch", str(batch), "--weights", weights]
            # transformers computes in what it stores.
            sides = [bench.our_side("Frostline", "generate", *flags, "--precision", weights)]
            sides += bench.peer("transformers generate", "generate.py", *flags)
            about = f"128 tokens after a prompt of 128, {batch} side by side, GPT-2 124M, weights stored in {weights}"
            cases.append(Case(f"generate-{batch}-{weights}", about, sides))
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
    return Case("prepare", "text to tokens, a vocabulary of up to 16384", sides, preparation, same="tokens")


def all_cases(bench: Bench) -> list[Case]:
    steps = [*step_cases(bench), *frozen_cases(bench), *recompute_cases(bench), context_case(bench)]
    return [*steps, *generate_cases(bench), prepare_case(bench)]
