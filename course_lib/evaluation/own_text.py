"""Bits a byte of any texts by any model: what compares models whose tokenizers differ."""

import lzma
from collections.abc import Callable, Sequence

from course_lib.architecture.decoder import Decoder
from course_lib.evaluation.likelihood import Compression, score_pairs, windows


def compression_of_texts(
    model: Decoder,
    encode: Callable[[str], Sequence[int]],
    texts: Sequence[str],
    *,
    context: int | None = None,
) -> Compression:
    """Nats of whole texts, each by itself, in windows that overlap by half.

    encode: a text's ids after what the model puts before a document; without such a token the
    text's first token isn't judged. Raises ValueError where no text has a token to judge.
    """
    context = min(context or model.config.max_seq, model.config.max_seq)
    pairs = []
    for text in texts:
        row = encode(text)
        for start, stop, first in windows(len(row) - 1, context, max(1, context // 2)):
            pairs.append((row[start : first + 1], row[first + 1 : stop + 1]))
    size = sum(len(text.encode()) for text in texts)
    if not pairs or not size:
        raise ValueError(f"{len(texts)} texts of {size} bytes: expected some of two tokens or more")
    scored = score_pairs(model, pairs)
    nats, tokens = -sum(one.logprob for one in scored), sum(one.tokens for one in scored)
    return Compression(nats=nats, bytes=size, tokens=tokens)


def xz_bits_per_byte(texts: Sequence[str], before: str = "") -> float:
    """What xz needs for the texts, having read the text ``before``. Raises ValueError for none."""
    joined = "".join(texts).encode()
    if not joined:
        raise ValueError("no text: expected at least one byte")
    told = before.encode()
    return 8 * (len(lzma.compress(told + joined)) - len(lzma.compress(told))) / len(joined)
