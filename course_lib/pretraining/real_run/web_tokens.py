"""A web corpus as token shards: what the real run reads.

    python -m course_lib.pretraining.real_run.web_tokens --out fineweb-edu --tokens 10_000_000_000

Streams FineWeb-Edu from the hub (Penedo et al. 2024), encodes it with GPT-2's tokenizer and writes
``data.shards``. Documents go in as they come: the loader shuffles them. Needs a network.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from course_lib.data.mixing.shards import Shards, ShardWriter
from course_lib.data.sources.hub import hub

Encode = Callable[[list[str]], Sequence[Sequence[int]]]


def write_tokens(
    texts: Iterable[str],
    encode: Encode,
    vocab_size: int,
    folder: Path,
    *,
    most: int,
    together: int = 1_000,
    shard_tokens: int = 100_000_000,
) -> Shards:
    """Encode ``together`` texts at a time until ``most`` tokens are written; open the shards.

    The index is written last, so that a killed preparation leaves no corpus that looks whole.
    Raises ValueError where there are fewer tokens than ``most``: a short corpus would be repeated.
    """
    writer, tokens, texts = ShardWriter(folder, vocab_size, shard_tokens), 0, iter(texts)
    while tokens < most:
        batch = [text for text in islice(texts, together) if text.strip()]
        if not batch:
            raise ValueError(f"the texts hold {tokens:,} tokens, {most:,} were asked for")
        for ids in encode(batch):
            writer.add(ids)
            tokens += len(ids)
            if tokens >= most:
                break
    writer.close()
    return Shards(folder)


def gpt2() -> tuple[Encode, int, int]:
    """GPT-2's tokenizer from the hub: how it encodes, its vocabulary and its end-of-text id."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained("openai-community/gpt2")

    def encode(texts: list[str]) -> Sequence[Sequence[int]]:
        return tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]

    return encode, len(tokenizer), tokenizer.eos_token_id


def main(argv: list[str] | None = None) -> int:
    """Write the shards and print the options that the run needs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=10_000_000_000)
    parser.add_argument("--source", default="fineweb-edu", help="a name of data.hub")
    a = parser.parse_args(argv)
    encode, vocab_size, eos_id = gpt2()
    texts = (record.text for record in hub(a.source))
    shards = write_tokens(texts, encode, vocab_size, a.out, most=a.tokens)
    print(f"{len(shards):,} documents; train with --tokens {a.out} --eos-id {eos_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
