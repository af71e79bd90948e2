"""One training step in PyTorch, timed: the peer that Frostline's step is measured against.

The model, the optimizer and the batch have the shapes that the flags give; weights and tokens are random.
Prints one JSON object: {"tokens_per_second", "step_seconds", "peak_rss_bytes", "loss_first",
"loss_last", "parameters"}, where a step's time is the median over the timed steps.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

# The first step compiles, the second still allocates.
WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Shape:
    """What both families need to know about a model."""

    layers: int
    heads: int
    kv_heads: int
    width: int
    intermediate: int
    context: int
    vocabulary: int
    tied: bool

    @property
    def head_width(self) -> int:
        return self.width // self.heads


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Causal attention on [batch, heads, tokens, head width]; returns [batch, tokens, width]."""
    mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    return mixed.transpose(1, 2).flatten(2)


def split_heads(projected: Tensor, head_width: int) -> Tensor:
    """[batch, tokens, heads * head width] to [batch, heads, tokens, head width]."""
    return projected.unflatten(-1, (-1, head_width)).transpose(1, 2)


class Gpt2Block(nn.Module):
    """LayerNorm, attention on packed projections, and an MLP with tanh GELU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head_width = shape.head_width
        self.attention_norm = nn.LayerNorm(shape.width)
        self.attention_in = nn.Linear(shape.width, 3 * shape.width)
        self.attention_out = nn.Linear(shape.width, shape.width)
        self.mlp_norm = nn.LayerNorm(shape.width)
        self.mlp_in = nn.Linear(shape.width, shape.intermediate)
        self.mlp_out = nn.Linear(shape.intermediate, shape.width)

    def forward(self, x: Tensor, rotary: Tensor | None) -> Tensor:
        packed = self.attention_in(self.attention_norm(x)).chunk(3, dim=-1)
        x = x + self.attention_out(attend(*(split_heads(part, self.head_width) for part in packed)))
        hidden = functional.gelu(self.mlp_in(self.mlp_norm(x)), approximate="tanh")
        return x + self.mlp_out(hidden)


class LlamaBlock(nn.Module):
    """RMSNorm, rotary grouped-query attention, and SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head_width = shape.head_width
        self.group = shape.heads // shape.kv_heads
        kv_width = shape.kv_heads * shape.head_width
        self.attention_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.queries = nn.Linear(shape.width, shape.width, bias=False)
        self.keys = nn.Linear(shape.width, kv_width, bias=False)
        self.values = nn.Linear(shape.width, kv_width, bias=False)
        self.attention_out = nn.Linear(shape.width, shape.width, bias=False)
        self.mlp_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.gate = nn.Linear(shape.width, shape.intermediate, bias=False)
        self.up = nn.Linear(shape.width, shape.intermediate, bias=False)
        self.down = nn.Linear(shape.intermediate, shape.width, bias=False)

    def forward(self, x: Tensor, rotary: Tensor | None) -> Tensor:
        normed = self.attention_norm(x)
        queries = rotate(split_heads(self.queries(normed), self.head_width), rotary)
        keys = rotate(split_heads(self.keys(normed), self.head_width), rotary)
        values = split_heads(self.values(normed), self.head_width)
        if self.group > 1:
            keys, values = [part.repeat_interleave(self.group, dim=1) for part in (keys, values)]
        x = x + self.attention_out(attend(queries, keys, values))
        normed = self.mlp_norm(x)
        return x + self.down(functional.silu(self.gate(normed)) * self.up(normed))


def rotary_table(shape: Shape, base: float = 10_000.0) -> Tensor:
    """Cosines and sines [2, context, head width], each frequency twice."""
    frequencies = base ** (-torch.arange(0, shape.head_width, 2) / shape.head_width)
    angles = torch.outer(torch.arange(shape.context), frequencies).repeat(1, 2)
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, rotary: Tensor) -> Tensor:
    """Turns each pair (i, i + half) of [batch, heads, tokens, head width] by its position's angle."""
    cosines, sines = rotary.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat([-second, first], dim=-1) * sines


class Decoder(nn.Module):
    """A decoder of either family; its forward gives the mean loss in nats."""

    def __init__(self, shape: Shape, family: str) -> None:
        super().__init__()
        is_llama = family == "llama"
        block, norm = (LlamaBlock, nn.RMSNorm) if is_llama else (Gpt2Block, nn.LayerNorm)
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = None if is_llama else nn.Embedding(shape.context, shape.width)
        self.blocks = nn.ModuleList(block(shape) for _ in range(shape.layers))
        self.norm = norm(shape.width, eps=1e-5)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        self.register_buffer("rotary", rotary_table(shape) if is_llama else None)
        for parameter in self.parameters():
            if parameter.ndim >= 2:
                nn.init.normal_(parameter, std=0.02)
        if shape.tied:
            self.head.weight = self.embedding.weight

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        x = self.embedding(inputs)
        if self.positions is not None:
            x = x + self.positions.weight
        for block in self.blocks:
            x = block(x, self.rotary)
        logits = self.head(self.norm(x))
        return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    def freeze(self, blocks: int) -> None:
        """Freezes the embeddings (and a head tied to them) and the lowest `blocks` blocks."""
        if blocks == 0:
            return
        below = [self.embedding, self.positions, *self.blocks[:blocks]]
        for module in below:
            if module is not None:
                module.requires_grad_(False)


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    """torch's fused AdamW on what trains, with decay on matrices only."""
    training = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [p for p in training if p.ndim >= 2], "weight_decay": 0.1},
            {"params": [p for p in training if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=3e-4,
        betas=(0.9, 0.95),
        fused=True,
    )


def time_steps(step: Callable[[], float], count: int) -> tuple[list[float], list[float]]:
    """Runs `step` WARM_UP_STEPS + `count` times; returns every loss and the seconds of the last `count`."""
    losses, seconds = [], []
    for _ in range(WARM_UP_STEPS + count):
        start = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - start)
    return losses, seconds[WARM_UP_STEPS:]


def peak_rss_bytes() -> int:
    """The most memory this process has held; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=["gpt2", "llama"], default="gpt2")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--kv-heads", type=int, help="llama only; default: as many as heads")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--intermediate", type=int, help="default: 4 times the width")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--untied", action="store_true", help="a head of its own")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16 is autocast over f32 weights")
    parser.add_argument("--frozen-blocks", type=int, default=0, help="freezes the embeddings too, if above 0")
    parser.add_argument("--clip", type=float, help="clip the gradients to this norm")
    parser.add_argument("--mode", choices=["eager", "compile"], default="compile")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10, help="timed steps, after two untimed ones")
    given = parser.parse_args()
    if given.width % given.heads or given.heads % (given.kv_heads or given.heads):
        parser.error("--heads must divide --width, and --kv-heads must divide --heads")
    if given.family == "gpt2" and given.kv_heads not in (None, given.heads):
        parser.error("gpt2 has no grouped-query attention: leave --kv-heads out")
    if not 0 <= given.frozen_blocks <= given.layers or given.steps < 1:
        parser.error("--frozen-blocks must lie in 0 to --layers, and --steps must be 1 or more")
    return given


def main() -> None:
    given = arguments()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    shape = Shape(
        layers=given.layers,
        heads=given.heads,
        kv_heads=given.kv_heads or given.heads,
        width=given.width,
        intermediate=given.intermediate or 4 * given.width,
        context=given.context,
        vocabulary=given.vocabulary,
        tied=not given.untied,
    )
    model = Decoder(shape, given.family)
    model.freeze(given.frozen_blocks)
    optimizer = adamw(model)
    loss_of = torch.compile(model) if given.mode == "compile" else model
    tokens = torch.randint(given.vocabulary, (given.batch, given.context + 1))
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    def step() -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=given.precision == "bf16"):
            loss = loss_of(inputs, targets)
        loss.backward()
        if given.clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), given.clip)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    losses, seconds = time_steps(step, given.steps)
    median = statistics.median(seconds)
    result = {
        "tokens_per_second": inputs.numel() / median,
        "step_seconds": median,
        "peak_rss_bytes": peak_rss_bytes(),
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
