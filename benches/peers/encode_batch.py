"""Tokenising with Python's tokenizers, timed: the peer of `frostline bench prepare`.

Reads the text, cuts it into documents of about 16 KiB at line ends, as Frostline does, and encodes batches of 256
documents on all cores. Prints one JSON object: {"tokens_per_second", "megabytes_per_second", "tokens", "text_bytes",
"prepare_seconds", "peak_rss_bytes"}.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator

from tokenizers import Tokenizer

DOCUMENT_BYTES = 16 << 10
BATCH = 256


def documents(path: str, limit: float) -> Iterator[str]:
    """Stretches of whole lines of about 16 KiB each, up to so many bytes."""
    read = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        while read < limit and (lines := file.readlines(DOCUMENT_BYTES)):
            text = "".join(lines)
            read += len(text.encode())
            yield text


def peak_rss_bytes() -> int:
    """The most memory this process has held; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", help="a tokenizer.json")
    parser.add_argument("text", help="a file of text")
    parser.add_argument("--megabytes", type=float, default=float("inf"), help="read no more than this")
    parser.add_argument("--fast", action="store_true", help="encode_batch_fast, which keeps no offsets")
    given = parser.parse_args()
    tokenizer = Tokenizer.from_file(given.tokenizer)
    encode = tokenizer.encode_batch_fast if given.fast else tokenizer.encode_batch
    texts = list(documents(given.text, given.megabytes * 1e6))
    size = sum(len(text.encode()) for text in texts)
    start, tokens = time.perf_counter(), 0
    for first in range(0, len(texts), BATCH):
        encodings = encode(texts[first : first + BATCH], add_special_tokens=False)
        tokens += sum(len(encoding.ids) for encoding in encodings)
    seconds = time.perf_counter() - start
    result = {
        "tokens_per_second": tokens / seconds,
        "megabytes_per_second": size / 1e6 / seconds,
        "tokens": tokens,
        "text_bytes": size,
        "prepare_seconds": seconds,
        "peak_rss_bytes": peak_rss_bytes(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
