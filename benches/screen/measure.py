"""Measures the workbench in a terminal while it watches a run that trains on every core.

    python3 benches/screen/measure.py [--program PATH] [--only PART ...] [--json FILE]

Needs nothing but Python 3.9 or later, on Linux or macOS, and about fifteen minutes. README.md beside this file says
what each number is.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from program import Program, Run
from terminal import Cells, Place, Terminal

STARTS = 15
# A start is watched for this long; it has to be enough for a run to be seen.
START_SECONDS = 2.0
KEYS = 300
KEY_SECONDS = (0.030, 0.130)
# After this long a key counts as not answered.
ANSWER_SECONDS = 2.0
# Times that every key is tried, with time to settle, to learn what it changes.
LESSONS, LESSON_SECONDS = 6, 0.4
STEADY_SECONDS, IDLE_SECONDS, SETTLE_SECONDS = 60.0, 20.0, 3.0
# What is said at the foot of the screen has gone after this long.
QUIET_SECONDS = 10.0
WINDOWS, WINDOW_SECONDS = 6, 20.0
STOPPED_SECONDS = 60.0
# Keys that lead back to where they began.
CYCLES = {"cursor": [b"\x1b[B", b"\x1b[A"], "pane": [b"\t"] * 4}
PANES = ("corpus", "graphs", "layers", "prompt")

Results = dict[str, object]


def measure_start(program: Program, scale: float) -> Results:
    """From spawn to the first text, the first whole frame and, attached, the run."""
    count = scaled(STARTS, scale)
    results: Results = {"welcome": summarise([start(program) for _ in range(count)])}
    with Run(program, "start") as run:
        results["attach"] = summarise([start(program, "attach", run.name) for _ in range(count)])
    return {**results, "host_cores": run.cores}


def start(program: Program, *arguments: str) -> dict[str, float]:
    """Times of one start, in milliseconds. The bytes are looked at after the last of them has come."""
    with program.open(*arguments) as terminal:
        written = list(terminal.chunks(START_SECONDS))
        spawned = terminal.spawned
    cells, times = Cells(), {}
    for at, data in written:
        passed = 1e3 * (at - spawned)
        if cells.feed(data):
            times.setdefault("frame", passed)
            if arguments and "training" in cells.text():
                times.setdefault("run", passed)
        if cells.has_text():
            times.setdefault("text", passed)
    if "frame" not in times or (arguments and "run" not in times):
        raise SystemExit(f"no frame within {START_SECONDS} s:\n{cells.text()}")
    return times


def summarise(starts: list[dict[str, float]]) -> Results:
    """By what was waited for: the median and the longest."""
    columns = {what: [times[what] for times in starts] for what in starts[0]}
    return {what: {"median_ms": statistics.median(column), "max_ms": max(column)} for what, column in columns.items()}


def measure_keys(program: Program, scale: float) -> Results:
    """From a key to the frame that answers it, while the run trains."""
    results: Results = {}
    with Run(program, "keys") as run:
        for name, cycle in CYCLES.items():
            with attached(program, run) as terminal:
                terminal.press(b"3")
                terminal.show(1.0)
                signs = learn(terminal, cycle)
                results[name] = time_keys(terminal, cycle, signs, scaled(KEYS, scale))
    return {**results, "host_cores": run.cores}


Signs = list[dict[Place, tuple]]


def learn(terminal: Terminal, cycle: list[bytes]) -> Signs:
    """By key of the cycle: cells that always look the same after it, and otherwise before it."""
    seen: list[list[dict]] = [[] for _ in cycle]
    for _ in range(LESSONS):
        for key, states in zip(cycle, seen):
            terminal.press(key)
            terminal.show(LESSON_SECONDS)
            states.append(dict(terminal.cells.cells))
    steady = [steady_cells(states) for states in seen]
    signs = []
    for index, after in enumerate(steady):
        before = steady[index - 1]
        signs.append({place: cell for place, cell in after.items() if before.get(place, cell) != cell})
    if not all(signs):
        raise SystemExit(f"a key changes nothing:\n{terminal.cells.text()}")
    return signs


def steady_cells(states: list[dict]) -> dict[Place, tuple]:
    """The cells that look the same in all states."""
    first, *others = states
    return {place: cell for place, cell in first.items() if all(other.get(place) == cell for other in others)}


def time_keys(terminal: Terminal, cycle: list[bytes], signs: Signs, count: int) -> Results:
    """Presses keys at random intervals. A key waits for the answer to the one before, if that takes longer."""
    chance, times, passed_over, unanswered = random.Random(7), [], 0, 0
    for index in range(count):
        turn = index % len(cycle)
        pressed = terminal.press(cycle[turn])
        passed, others = answer(terminal, pressed, signs[turn])
        passed_over += others
        if passed is None:
            unanswered += 1
        else:
            times.append(1e3 * passed)
        terminal.show(pressed + chance.uniform(*KEY_SECONDS) - time.perf_counter())
    times.sort()
    return {
        "keys": count,
        "unanswered": unanswered,
        "frames_passed_over": passed_over,
        "cells_of_an_answer": [len(sign) for sign in signs],
        "median_ms": statistics.median(times),
        "p99_ms": times[math.ceil(0.99 * len(times)) - 1],
        "max_ms": times[-1],
    }


def answer(terminal: Terminal, pressed: float, sign: dict[Place, tuple]) -> tuple[float | None, int]:
    """How long until most of the cells that the key changes are as they are after it, and how many frames came before
    that showed something else."""
    others = 0
    for at in terminal.frames(ANSWER_SECONDS):
        if sum(terminal.cells.cells.get(place) == cell for place, cell in sign.items()) * 2 > len(sign):
            return at - pressed, others
        others += 1
    return None, others


def measure_bytes(program: Program, scale: float) -> Results:
    """Bytes and frames per second: while it trains, while it is paused, and when its host has ended."""
    with Run(program, "bytes") as run, attached(program, run) as terminal:
        text = terminal.cells.text()
        results: Results = {"panes": [pane for pane in PANES if f" {pane} " in text]}
        results["training"] = rate(terminal, STEADY_SECONDS * scale)
        run.tell("send", run.name, "pause")
        run.until(lambda status: status["state"] == "paused")
        terminal.drain(QUIET_SECONDS)
        results["paused"] = rate(terminal, IDLE_SECONDS * scale)
        run.stop()
        terminal.drain(QUIET_SECONDS)
        results["stopped"] = rate(terminal, IDLE_SECONDS * scale)
    return {**results, "host_cores": run.cores}


def rate(terminal: Terminal, seconds: float) -> dict[str, float]:
    count, frames = terminal.drain(seconds)
    return {"bytes_per_second": count / seconds, "frames_per_second": frames / seconds, "seconds": seconds}


def measure_rate(program: Program, scale: float) -> Results:
    """Windows of one run with and without the workbench attached, in turns. Every second pair the other way around, so
    that a machine that gets slower bears on both alike."""
    bounds: dict[str, list[tuple[int, int]]] = {"headless": [], "attached": []}
    with Run(program, "rate") as run:
        for index in range(WINDOWS):
            pair = list(bounds) if index % 2 == 0 else list(bounds)[::-1]
            for kind in pair:
                bounds[kind].append(window(program, run, kind == "attached", WINDOW_SECONDS * scale))
    steps = run.steps()
    results: Results = {kind: summarise_windows(steps, windows) for kind, windows in bounds.items()}
    return {**results, **ratios(results, "attached", "headless"), "host_cores": run.cores}


def window(program: Program, run: Run, is_attached: bool, seconds: float) -> tuple[int, int]:
    """The steps at the beginning and the end of a window."""
    if not is_attached:
        return span(run, lambda: time.sleep(seconds), time.sleep)
    with attached(program, run) as terminal:
        return span(run, lambda: terminal.drain(seconds), terminal.drain)


def span(run: Run, pass_time: Callable[[], object], settle: Callable[[float], object]) -> tuple[int, int]:
    settle(SETTLE_SECONDS)
    first = run.step()
    pass_time()
    return first, run.step()


def summarise_windows(steps: list[dict], windows: list[tuple[int, int]]) -> dict[str, object]:
    """The median of the steps' own rates, and steps by the run's clock, which is wall time."""
    within = [[step for step in steps if first <= step["step"] <= last] for first, last in windows]
    rates = [step["tokens_per_second"] for window in within for step in window[1:]]
    by_clock = [(len(window) - 1) / (window[-1]["seconds"] - window[0]["seconds"]) for window in within]
    return {
        "steps": len(rates),
        "tokens_per_second": statistics.median(rates),
        "steps_per_second": statistics.median(by_clock),
        "steps_per_second_of_windows": by_clock,
    }


def ratios(results: dict, one: str, other: str) -> dict[str, float]:
    return {
        f"ratio_by_{what}": results[one][what] / results[other][what]
        for what in ("tokens_per_second", "steps_per_second")
    }


def measure_stopped(program: Program, scale: float) -> Results:
    """The rate before, during and after a stop (SIGSTOP) of the only client."""
    seconds = STOPPED_SECONDS * scale
    bounds = {}
    with Run(program, "stopped") as run, attached(program, run) as terminal:
        bounds["before"] = span(run, lambda: terminal.drain(seconds), terminal.drain)
        terminal.stop()
        try:
            bounds["during"] = span(run, lambda: time.sleep(seconds), lambda _: None)
        finally:
            terminal.signal(signal.SIGCONT)
        bounds["after"] = span(run, lambda: terminal.drain(seconds), terminal.drain)
    steps = run.steps()
    results: Results = {when: summarise_windows(steps, [window]) for when, window in bounds.items()}
    return {**results, **ratios(results, "during", "before"), "host_cores": run.cores}


def attached(program: Program, run: Run) -> Terminal:
    """The workbench, once it shows the run."""
    terminal = program.open("attach", run.name)
    try:
        terminal.until("training")
        terminal.show(1.0)
    except BaseException:
        terminal.close()
        raise
    return terminal


def scaled(count: int, scale: float) -> int:
    return max(3, round(count * scale))


PARTS: dict[str, Callable[[Program, float], Results]] = {
    "start": measure_start,
    "keys": measure_keys,
    "bytes": measure_bytes,
    "rate": measure_rate,
    "stopped": measure_stopped,
}

# Path of a number within the results, how to say it, and what it is to be.
ROWS_OF_TABLE = [
    ("start.welcome.text.median_ms", "welcome: first text, median", "ms", ""),
    ("start.welcome.text.max_ms", "welcome: first text, longest", "ms", "< 100"),
    ("start.welcome.frame.median_ms", "welcome: first whole frame, median", "ms", ""),
    ("start.welcome.frame.max_ms", "welcome: first whole frame, longest", "ms", "< 100"),
    ("start.attach.text.median_ms", "attach: first text, median", "ms", ""),
    ("start.attach.text.max_ms", "attach: first text, longest", "ms", "< 100"),
    ("start.attach.frame.max_ms", "attach: first whole frame, longest", "ms", "< 100"),
    ("start.attach.run.median_ms", "attach: the run is shown, median", "ms", ""),
    ("start.attach.run.max_ms", "attach: the run is shown, longest", "ms", ""),
    ("keys.cursor.median_ms", "key to frame, cursor: median", "ms", ""),
    ("keys.cursor.p99_ms", "key to frame, cursor: p99", "ms", "< 16"),
    ("keys.cursor.max_ms", "key to frame, cursor: longest", "ms", ""),
    ("keys.pane.median_ms", "key to frame, next pane: median", "ms", ""),
    ("keys.pane.p99_ms", "key to frame, next pane: p99", "ms", "< 16"),
    ("keys.pane.max_ms", "key to frame, next pane: longest", "ms", ""),
    ("bytes.training.bytes_per_second", "120×40, training", "bytes/s", "≤ 4000"),
    ("bytes.training.frames_per_second", "120×40, training", "frames/s", ""),
    ("bytes.paused.bytes_per_second", "120×40, paused", "bytes/s", "0"),
    ("bytes.stopped.bytes_per_second", "120×40, host ended", "bytes/s", "0"),
    ("rate.headless.tokens_per_second", "training, headless", "tokens/s", ""),
    ("rate.attached.tokens_per_second", "training, attached", "tokens/s", ""),
    ("rate.ratio_by_tokens_per_second", "attached / headless, by tokens/s", "", "≥ 0.98"),
    ("rate.ratio_by_steps_per_second", "attached / headless, by steps and clock", "", "≥ 0.98"),
    ("stopped.before.steps_per_second", "training, client running", "steps/s", ""),
    ("stopped.during.steps_per_second", "training, client stopped", "steps/s", ""),
    ("stopped.ratio_by_steps_per_second", "stopped / running, by steps and clock", "", "1"),
]


def table(results: dict) -> str:
    """The numbers that there are, a line each."""
    lines = []
    for path, name, unit, wanted in ROWS_OF_TABLE:
        number = results["parts"]
        for key in path.split("."):
            number = number.get(key) if isinstance(number, dict) else None
        if number is not None:
            shown = f"{number:.3f}" if not unit else f"{number:.1f}"
            lines.append(f"{name:<42}{shown:>10} {unit:<9} {wanted}".rstrip())
    return "\n".join(lines)


def machine() -> Results:
    return {"system": platform.platform(), "cores": os.cpu_count(), "load_average": os.getloadavg()[0]}


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=Path("target/release/frostline"))
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="the parts to measure")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON (-: standard output)")
    parser.add_argument("--scale", type=float, default=1.0, help="times every count and duration, to try it out")
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    if not arguments.program.is_file():
        raise SystemExit(f"{arguments.program} is not there: cargo build --release, or --program PATH")
    # Short: a socket's path has little room.
    home = Path(tempfile.mkdtemp(prefix="fl-"))
    try:
        program = Program(arguments.program, home)
        results = {"program": program.ask("--version").strip(), "machine": machine(), "scale": arguments.scale}
        results["parts"] = parts = {}
        for part in arguments.only:
            print(f"measuring {part}…", file=sys.stderr)
            try:
                parts[part] = PARTS[part](program, arguments.scale)
            except SystemExit as error:
                parts[part] = {"error": str(error)}
                print(error, file=sys.stderr)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(table(results), file=sys.stderr if arguments.json == "-" else sys.stdout)
    if arguments.json:
        text = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
        sys.stdout.write(text) if arguments.json == "-" else Path(arguments.json).write_text(text)
    if any("error" in part for part in parts.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
