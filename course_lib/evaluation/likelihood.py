"""What a model thinks of a given text: bits a byte, and multiple choice by likelihood.

Nothing is generated here. A text is scored by reading it once, so these measures are cheap, have
little noise, and work for a base model that can't follow an instruction yet.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder
from course_lib.data.tokenization.tokenizer import Tokenizer

ROW_TOKENS = 8_192  # tokens in one forward pass: enough to be fast, small in memory

Pair = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class Scored:
    """log p(continuation | context) in nats, its tokens, and how many of them are the likeliest.

    Each token is judged with the true ones before it (teacher forcing).
    """

    logprob: float
    tokens: int
    right: int

    @property
    def greedy(self) -> bool:
        """Whether greedy decoding writes it: up to its first mistake it has the true tokens."""
        return self.right == self.tokens


@dataclass(frozen=True)
class Compression:
    """A loss that doesn't depend on the tokenizer: nats are counted, bytes divide them."""

    nats: float
    bytes: int
    tokens: int

    @property
    def bits_per_byte(self) -> float:
        """nats / (ln 2 · bytes)"""
        return self.nats / math.log(2) / self.bytes

    @property
    def perplexity(self) -> float:
        """e^(nats / token). Compare it only between models that share a tokenizer."""
        return math.exp(self.nats / self.tokens)


@dataclass(frozen=True)
class Choice:
    """A question with its possible continuations; `gold` is the index of the right one."""

    context: str
    options: tuple[str, ...]
    gold: int


@torch.inference_mode()
def score_pairs(model: Decoder, pairs: Sequence[Pair]) -> list[Scored]:
    """log p(continuation | context) for each pair of token ids, long ones first, in batches.

    Rows are padded on the right: a causal model never looks there. A pair that is longer than the
    model's context loses the oldest tokens of its context.
    """
    order = sorted(range(len(pairs)), key=lambda i: -sum(map(len, pairs[i])))
    scored: list[Scored | None] = [None] * len(pairs)
    start = 0
    while start < len(order):
        longest = min(sum(map(len, pairs[order[start]])), model.config.max_seq + 1)
        chosen = order[start : start + max(1, ROW_TOKENS // longest)]
        results = _score_batch(model, [pairs[i] for i in chosen])
        for i, result in zip(chosen, results, strict=True):
            scored[i] = result
        start += len(chosen)
    return scored


def _score_batch(model: Decoder, pairs: Sequence[Pair]) -> list[Scored]:
    rows, counts = [], []
    for context, continuation in pairs:
        if not context or not continuation or len(continuation) > model.config.max_seq:
            raise ValueError(
                f"a pair has {len(context)} + {len(continuation)} tokens, expected at least one "
                f"each and a continuation of at most {model.config.max_seq}"
            )
        rows.append([*context, *continuation][-(model.config.max_seq + 1) :])
        counts.append(len(continuation))
    width = max(map(len, rows)) - 1
    device = model.device
    inputs = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), -100)
    for i, (row, count) in enumerate(zip(rows, counts, strict=True)):
        inputs[i, : len(row) - 1] = torch.tensor(row[:-1])
        targets[i, len(row) - 1 - count : len(row) - 1] = torch.tensor(row[-count:])
    asked = (targets != -100).to(device)
    # only the scored positions meet the vocabulary: it is the widest matrix of all
    logits = model.unembed(model.hidden(inputs.to(device))[asked])
    wanted = targets.to(device)[asked]
    logprobs = -F.cross_entropy(logits, wanted, reduction="none").cpu()
    right = (logits.argmax(-1) == wanted).cpu()
    return [
        Scored(float(lp.double().sum()), len(lp), int(ok.sum()))
        for lp, ok in zip(logprobs.split(counts), right.split(counts), strict=True)
    ]


def windows(n: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Cut n predictions into windows (start, end, first scored): each is scored exactly once.

    A model with a limited context reads tokens start … end − 1 and is judged on those from
    `first` on. The first window is judged on all it holds; each later one moves on by `stride` and
    is judged on its last `stride` tokens, so that every judged token has at least
    context − stride tokens before it. A small stride is fair and slow, stride = context fast and
    unkind to the tokens behind each cut.
    """
    if not 1 <= stride <= context:
        raise ValueError(f"stride is {stride}, expected 1 to context {context}")
    scored = 0
    while scored < n:
        end = min(n, context if scored == 0 else scored + stride)
        yield max(0, end - context), end, scored
        scored = end


def compression(
    model: Decoder,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    context: int | None = None,
    stride: int | None = None,
    end: bool = True,
) -> Compression:
    """Nats of whole documents, each by itself after `<|eos|>`, and its end where `end`.

        bits a byte = − Σ log2 p(token | tokens before it in its document) / bytes of text

    The end belongs to what the world's own probability covers; without it the figure is the one
    that lm-eval calls `bits_per_byte`.
    """
    context = context or model.config.max_seq
    pairs = []
    for ids in tokenizer.encode_batch(texts):
        row = [tokenizer.eos_id, *ids, *[tokenizer.eos_id] * end]
        for start, stop, first in windows(len(row) - 1, context, stride or context):
            pairs.append((row[start : first + 1], row[first + 1 : stop + 1]))
    scored = score_pairs(model, pairs)
    return Compression(
        nats=-sum(s.logprob for s in scored),
        bytes=sum(len(text.encode()) for text in texts),
        tokens=sum(s.tokens for s in scored),
    )


NORMALISATIONS = ("sum", "per token", "per character", "against no context")


def choose(
    model: Decoder, tokenizer: Tokenizer, choices: Sequence[Choice], *, normalise: str = "sum"
) -> list[int]:
    """The index of the option that the model finds likeliest after the context.

    "sum"                 log p(option | context): favours short options
    "per token"           divided by the option's tokens
    "per character"       divided by its characters: `acc_norm` of lm-eval
    "against no context"  less log p(option): what the context adds (PMI; Holtzman et al. 2021)
    """
    if normalise not in NORMALISATIONS:
        raise ValueError(f"normalise is {normalise!r}, expected one of {NORMALISATIONS}")
    for choice in choices:
        if not choice.options or not all(option.strip() for option in choice.options):
            raise ValueError(f"options are {choice.options}, expected some, and none of them blank")
    pairs = [split_pair(tokenizer, c.context, option) for c in choices for option in c.options]
    scored = iter(score_pairs(model, pairs))
    bare = iter([])
    if normalise == "against no context":
        bare = iter(score_pairs(model, [([tokenizer.eos_id], option) for _, option in pairs]))
    picked = []
    for choice in choices:
        values = []
        for option in choice.options:
            score = next(scored)
            value = score.logprob
            if normalise == "per token":
                value /= score.tokens
            elif normalise == "per character":
                value /= len(option.removeprefix(" "))
            elif normalise == "against no context":
                value -= next(bare).logprob
            values.append(value)
        picked.append(max(range(len(values)), key=values.__getitem__))
    return picked


def split_pair(tokenizer: Tokenizer, context: str, continuation: str) -> Pair:
    """Token ids of both parts, cut out of the ids of the whole.

    A space at the end of the context is moved to the continuation: " Oakby" is one token in the
    middle of a text, and " " + "Oakby" would be two that the model has hardly seen. Encoding the
    whole and cutting it makes the ids those of the running text. Without a context the end of
    the document before, `<|eos|>`, is what a text begins after. All of it as lm-eval does, but for
    a token that crosses the join ("the v" + "illage"): lm-eval then scores what is behind that
    token, or nothing; here it raises ValueError.
    """
    stripped = context.rstrip()
    continuation = context[len(stripped) :] + continuation
    before = tokenizer.encode(stripped)
    whole = tokenizer.encode(stripped + continuation)
    if whole[: len(before)] != before or len(whole) == len(before):
        raise ValueError(
            f"{stripped[-20:]!r} + {continuation[:20]!r}: a token crosses the join, so no tokens "
            "are the continuation's alone; cut between words"
        )
    return [tokenizer.eos_id, *before], whole[len(before) :]
