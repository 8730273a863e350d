"""Training byte-pair encoding: ours against `tokenizers`, with `rustbpe` as the ceiling.

    python benchmarks/bpe.py                  # 4 MB at 2,048 tokens
    python benchmarks/bpe.py --mb 31 --vocab 8192 --rounds 2

Text: documentation and source code of this machine's own Python and packages, no document twice.
One thread each, process-CPU seconds, in turn. "floor" is our cut and count alone: what training
can't go below; "regex" is the same with the `regex` module, which knows all of Unicode. Nothing
is claimed over `rustbpe`, whose training is compiled and whose ties go by other rules; it runs
apart, since its threads linger and would be counted on whoever comes next.
"""

import argparse
import json
import os
import random
import sysconfig
from collections import Counter
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import _bench
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from course_lib.data.sources.source import source
from course_lib.data.tokenization.pretokenize import PATTERNS
from course_lib.data.tokenization.tokenizer import SPECIAL_TOKENS, train_bpe


def machine_text(megabytes: float) -> list[str]:
    """Distinct documents of this machine, shuffled, up to the size or until there are no more."""
    found = dict.fromkeys(r.text for name in ("python_docs", "python_code") for r in source(name))
    size = sum(len(text) for text in found)
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        if size > 1.3e6 * megabytes:
            break
        text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        if text not in found:
            found[text] = None
            size += len(text)
    texts, chosen, total = list(found), [], 0
    random.Random(0).shuffle(texts)
    for text in texts:
        if total >= megabytes * 1e6:
            break
        chosen.append(text)
        total += len(text.encode())
    return chosen


def hub_trainer(texts: list[str], vocab_size: int, pattern: str):
    """`tokenizers` on the same texts, with its own pre-tokenization."""
    if pattern == "gpt2":
        cut = pre_tokenizers.ByteLevel(add_prefix_space=False)  # its native GPT-2 pattern
    else:
        cut = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(PATTERNS[pattern].expression), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )

    def call() -> Tokenizer:
        hub = Tokenizer(models.BPE())
        hub.pre_tokenizer = cut
        hub.train_from_iterator(
            texts,
            trainers.BpeTrainer(
                vocab_size=vocab_size,
                show_progress=False,
                special_tokens=list(SPECIAL_TOKENS),
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            ),
        )
        return hub

    return call


def by_regex(texts: list[str], pattern: str) -> Counter:
    counts: Counter = Counter()
    for text in texts:
        counts.update(PATTERNS[pattern].find(text))
    return counts


def rust(texts: list[str], vocab_size: int, pattern: str) -> object:
    import rustbpe

    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(
        iter(texts), vocab_size - len(SPECIAL_TOKENS), pattern=PATTERNS[pattern].expression
    )
    return trainer


def different(texts: list[str], vocab_size: int, pattern: str) -> int:
    """Merges in which ours and `tokenizers` part."""
    ours = train_bpe(texts, vocab_size, pattern)
    hub = json.loads(hub_trainer(texts, vocab_size, pattern)().to_str())["model"]["merges"]
    mine = [tuple(map(ours.token, pair)) for pair in ours.merges]
    return sum(a != tuple(b) for a, b in zip(mine, hub, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=4)
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patterns", nargs="+", default=["gpt2", "llama3"])
    options = parser.parse_args()
    texts = machine_text(options.mb)
    print(
        f"{sum(len(t.encode()) for t in texts) / 1e6:.1f} MB in {len(texts):,} documents, "
        f"{options.vocab:,} tokens"
    )
    for pattern in options.patterns:
        calls = {
            "ours": lambda name=pattern: train_bpe(texts, options.vocab, name),
            "tokenizers": hub_trainer(texts, options.vocab, pattern),
            "floor (our cut and count)": lambda name=pattern: PATTERNS[name].count(texts),
            "floor (regex and count)": lambda name=pattern: by_regex(texts, name),
        }
        ceiling = {"rustbpe (ceiling)": lambda name=pattern: rust(texts, options.vocab, name)}
        _bench.show(pattern, _bench.interleave(calls, options.rounds, warmup=1))
        _bench.show("apart:", _bench.interleave(ceiling, options.rounds, warmup=1))
        print(f"  merges that differ from tokenizers: {different(texts, options.vocab, pattern)}")


if __name__ == "__main__":
    main()
