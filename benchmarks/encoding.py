"""Encoding: ours against `tokenizers` and `tiktoken`, the same vocabulary, one thread each.

    python benchmarks/encoding.py --mb 4 --vocab 8192

Ours keeps what it has cut: a table from pre-token to ids. So there are two figures. "fresh" builds
a new tokenizer and starts with an empty table. "warm" has read the other half of the corpus, not
the text that is timed. `tokenizers` keeps a cache of its own across its calls; `tiktoken` has none.
`gigatoken` is the compiled ceiling; nothing is claimed over it.
"""

import argparse

import _bench
import gigatoken
import tiktoken
from bpe import machine_text

from course_lib.data.tokenization.tokenizer import SPECIAL_TOKENS, Tokenizer, train_bpe


def contestants(trained: Tokenizer, other: list[str], texts: list[str]) -> tuple[dict, dict]:
    """Those that run in turn, and the ceiling, which runs apart: its threads linger."""
    pattern = trained.pattern
    hub = trained.to_transformers().backend_tokenizer
    ranks = {trained.token_bytes[i]: i for i in range(len(SPECIAL_TOKENS), trained.vocab_size)}
    giga = gigatoken.Tokenizer(hub)
    tik = tiktoken.Encoding(
        "course", pat_str=pattern.expression, mergeable_ranks=ranks, special_tokens={}
    )

    def warmed() -> Tokenizer:
        tokenizer = Tokenizer(trained.merges, pattern=pattern.name)
        tokenizer.encode_batch(other)
        return tokenizer

    ready = [warmed() for _ in range(8)]  # one a round: no round may warm the next
    return {
        "ours, warm": lambda: (ready.pop() if ready else warmed()).encode_batch(texts),
        "ours, fresh": lambda: Tokenizer(trained.merges, pattern=pattern.name).encode_batch(texts),
        "our cut alone": lambda: [pattern.split(text) for text in texts],
        "tokenizers": lambda: [
            e.ids for e in hub.encode_batch_fast(texts, add_special_tokens=False)
        ],
        "tiktoken": lambda: [tik.encode_ordinary(text) for text in texts],
    }, {
        "gigatoken (ceiling)": lambda: giga.encode_batch(texts),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=4)
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patterns", nargs="+", default=["gpt2", "llama3"])
    options = parser.parse_args()
    if options.rounds > 7:
        raise ValueError(f"rounds={options.rounds}: at most 7 tokenizers are warmed in advance")
    both = machine_text(2 * options.mb)
    texts, other = both[::2], both[1::2]
    print(f"{sum(len(t.encode()) for t in texts) / 1e6:.1f} MB timed, as much read before")
    for pattern in options.patterns:
        trained = train_bpe(both, options.vocab, pattern)
        calls, ceiling = contestants(trained, other, texts)
        _bench.show(pattern, _bench.interleave(calls, options.rounds, warmup=1))
        _bench.show("apart:", _bench.interleave(ceiling, options.rounds, warmup=1))
        ids = {name: calls[name]() for name in ("ours, fresh", "tokenizers", "tiktoken")}
        wrong = sum(a != b or a != c for a, b, c in zip(*ids.values(), strict=True))
        print(f"  documents whose ids differ: {wrong}")


if __name__ == "__main__":
    main()
