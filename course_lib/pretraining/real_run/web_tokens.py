"""A web corpus as token shards: what the real run reads.

    python -m course_lib.pretraining.real_run.web_tokens --out fineweb-edu --tokens 10_000_000_000

Streams FineWeb-Edu from the hub (Penedo et al. 2024) through `data.pipeline`: cleaned, judged,
encoded with GPT-2's tokenizer and written as `data.mixing.shards`. Documents go in as they come:
the loader shuffles them. Near-copies stay unless you ask with ``--dedup``. Needs a network.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from course_lib.data.pipeline import DEDUP, RULES, prepare_tokens
from course_lib.data.sources.source import source


class GPT2:
    """GPT-2's tokenizer from the hub, as much of it as the shards need."""

    def __init__(self):
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained("openai-community/gpt2")
        self.vocab_size, self.eos_id = len(self._tokenizer), self._tokenizer.eos_token_id

    def encode_batch(self, texts: Iterable[str]) -> Sequence[Sequence[int]]:
        """The ids of every text, without the token that ends it."""
        options = {"add_special_tokens": False, "verbose": False}
        return self._tokenizer(list(texts), **options)["input_ids"]


def main(argv: list[str] | None = None) -> int:
    """Write the shards and print the options that the run needs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=10_000_000_000)
    parser.add_argument("--source", default="fineweb-edu", help="a name of data.sources.hub")
    parser.add_argument("--unjudged", action="store_true", help="clean, but keep every document")
    parser.add_argument(
        "--dedup", type=int, metavar="N", help="read N documents, leave out near-copies among them"
    )
    a = parser.parse_args(argv)
    shards = prepare_tokens(
        islice(source(f"hub:{a.source}"), a.dedup),
        GPT2(),
        a.out,
        rules=None if a.unjudged else RULES,
        dedup=DEDUP if a.dedup else None,
        most=a.tokens,
        shard_tokens=100_000_000,
    )
    print(f"{len(shards):,} documents; what was dropped stands in {a.out / 'account.json'}")
    print(f"train with --tokens {a.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
