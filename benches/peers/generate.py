"""Generation with transformers and its key-value cache, timed: the peer of `frostline bench generate`.

The model has the shape that the flags give; weights and prompts are random, tokens are chosen greedily and none ends
an answer. Prints one JSON object: {"tokens_per_second", "prefill_tokens_per_second", "decode_tokens_per_second",
"step_seconds", "prefill_seconds", "total_seconds", "peak_rss_bytes", "parameters"}, from medians.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PretrainedConfig, PreTrainedModel

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def config_of(given: argparse.Namespace) -> PretrainedConfig:
    """The shape that the flags give."""
    intermediate = given.intermediate or 4 * given.width
    if given.family == "gpt2":
        return GPT2Config(
            vocab_size=given.vocabulary,
            n_positions=given.context,
            n_embd=given.width,
            n_layer=given.layers,
            n_head=given.heads,
            n_inner=intermediate,
            tie_word_embeddings=not given.untied,
            bos_token_id=0,
            eos_token_id=0,
        )
    return LlamaConfig(
        vocab_size=given.vocabulary,
        max_position_embeddings=given.context,
        hidden_size=given.width,
        intermediate_size=intermediate,
        num_hidden_layers=given.layers,
        num_attention_heads=given.heads,
        num_key_value_heads=given.kv_heads or given.heads,
        tie_word_embeddings=not given.untied,
        bos_token_id=0,
        eos_token_id=0,
    )


def model_of(given: argparse.Namespace) -> PreTrainedModel:
    """A model with random weights. It is made in its dtype, so that its memory was never that of another."""
    model = AutoModelForCausalLM.from_config(config_of(given), dtype=DTYPES[given.weights])
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model.eval()


def seconds_to_write(model: PreTrainedModel, prompts: Tensor, new_tokens: int) -> float:
    """How long `generate` takes for so many tokens in each row."""
    start = time.perf_counter()
    tokens = model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        do_sample=False,
        use_cache=True,
    )
    seconds = time.perf_counter() - start
    written = tokens.shape[1] - prompts.shape[1]
    if written != new_tokens:
        sys.exit(f"{written} tokens were written instead of {new_tokens}")
    return seconds


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
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--weights", choices=list(DTYPES), default="f32", help="how they are stored and computed with")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="timed answers, after an untimed one")
    given = parser.parse_args()
    if given.prompt_tokens + given.new_tokens > given.context or given.new_tokens < 1 or given.repeats < 1:
        parser.error("--prompt-tokens and --new-tokens must fit --context, and --repeats must be 1 or more")
    return given


@torch.inference_mode()
def main() -> None:
    given = arguments()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = model_of(given)
    prompts = torch.randint(given.vocabulary, (given.batch, given.prompt_tokens))
    seconds_to_write(model, prompts, given.new_tokens)
    # A first token alone takes the prompt's pass and nothing after it.
    prefill = statistics.median(seconds_to_write(model, prompts, 1) for _ in range(given.repeats))
    total = statistics.median(seconds_to_write(model, prompts, given.new_tokens) for _ in range(given.repeats))
    result = {
        "tokens_per_second": given.batch * given.new_tokens / total,
        "prefill_tokens_per_second": prompts.numel() / prefill,
        "prefill_seconds": prefill,
        "total_seconds": total,
        "peak_rss_bytes": peak_rss_bytes(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    if given.new_tokens > 1:
        result["step_seconds"] = (total - prefill) / (given.new_tokens - 1)
        result["decode_tokens_per_second"] = given.batch / result["step_seconds"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
