"""The peer of `examples/prepare.rs`: how fast `tokenizers` encodes the same text with `encode_batch`.

    pip install tokenizers
    python benches/peers/encode_batch.py TOKENIZER.json TEXT [MEGABYTES]

Reads the first MEGABYTES (default 200) of TEXT, cuts them into documents of about 16 KiB at line ends, as Frostline
does, and times `encode_batch` and `encode_batch_fast` over batches of 256 documents on all cores.
"""

import resource
import sys
import time

from tokenizers import Tokenizer, __version__

DOCUMENT_BYTES = 16 << 10
BATCH = 256


def documents(path, limit):
    """Stretches of whole lines of about 16 KiB each."""
    read = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        while read < limit and (lines := file.readlines(DOCUMENT_BYTES)):
            text = "".join(lines)
            read += len(text.encode())
            yield text


def main():
    tokenizer = Tokenizer.from_file(sys.argv[1])
    limit = int(float(sys.argv[3] if len(sys.argv) > 3 else 200) * 1e6)
    texts = list(documents(sys.argv[2], limit))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"tokenizers {__version__}, {len(texts)} documents, {megabytes:.0f} MB")
    for encode in (tokenizer.encode_batch, tokenizer.encode_batch_fast):
        start, tokens = time.perf_counter(), 0
        for first in range(0, len(texts), BATCH):
            encodings = encode(texts[first : first + BATCH], add_special_tokens=False)
            tokens += sum(len(encoding.ids) for encoding in encodings)
        seconds = time.perf_counter() - start
        print(f"{encode.__name__}: {seconds:.2f} s, {megabytes / seconds:.1f} MB/s, {tokens} tokens")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB")


main()
