"""Beam search: follow the n likeliest texts at once, and return the best finished ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.sequences import Sequences, check_request

Stopping = bool | str  # True, False or "never"


@dataclass(frozen=True)
class Hypothesis:
    """A text that the search considered: its new tokens, and log p(tokens | prompt) in nats."""

    tokens: tuple[int, ...]
    log_p: float
    score: float = float("-inf")  # log p / length^penalty, once it is finished


@torch.inference_mode()
def beam_search(
    model: Decoder,
    prompt: Sequence[int],
    *,
    n_beams: int,
    max_new_tokens: int,
    stop_ids: Sequence[int] = (),
    length_penalty: int | float = 1.0,
    early_stopping: Stopping = False,
) -> list[Hypothesis]:
    """The n_beams best finished continuations of one prompt, best first.

    score(y) = log p(y | prompt) / |y|^length_penalty, with |y| the new tokens, stop id included
    (Wu et al. 2016, equation 14, has ((5 + |y|) / 6)^alpha instead; this is the form of
    `transformers`). Penalty 0 ranks by probability alone, and so prefers short texts; above 0, the
    larger it is the longer they get. A text is finished by a stop id, or by the limit.

    early_stopping: True ends when n_beams texts are finished; False when the best running text,
    scored at its present length, doesn't beat the worst finished one; "never" scores it at the
    length that would favour it most, so that it ends only where nothing better can come.

    Raises ValueError for sizes that no search can have.
    """
    check_request(model, [prompt], max_new_tokens)
    # At most one candidate a beam and stop id is finished, so this many leave n_beams running.
    a_beam = max(2, 1 + len(stop_ids))
    _check(n_beams, model.config.vocab_size // a_beam, length_penalty, early_stopping)
    texts, stops = Sequences(model, [prompt]), set(stop_ids)
    running, finished = [Hypothesis((), 0.0)], []
    for length in range(1, max_new_tokens + 1):
        log_p = _log_p(texts, running)
        top = log_p.flatten().topk(n_beams * a_beam)
        if length == max_new_tokens:
            stops = set(range(log_p.shape[1]))  # whatever comes now ends a text
        parents, running, ended = _sort_out(top, running, log_p.shape[1], stops, n_beams)
        finished += [replace(h, score=h.log_p / length**length_penalty) for h in ended]
        finished = sorted(finished, key=lambda h: -h.score)[:n_beams]
        if not running or _settled(
            running, finished, n_beams, length, max_new_tokens, length_penalty, early_stopping
        ):
            break
        texts.keep(torch.tensor(parents, device=model.device))
        texts.append(torch.tensor([h.tokens[-1] for h in running], device=model.device))
    return finished


def _sort_out(
    top: torch.return_types.topk,
    before: list[Hypothesis],
    vocab: int,
    stops: set[int],
    n_beams: int,
) -> tuple[list[int], list[Hypothesis], list[Hypothesis]]:
    """The best n_beams that run on, each with its parent's row, and those that end here."""
    parents, running, ended = [], [], []
    found = zip(top.values.tolist(), top.indices.tolist(), strict=True)
    for rank, (value, index) in enumerate(found):
        parent, token = divmod(index, vocab)
        text = Hypothesis((*before[parent].tokens, token), value)
        if token in stops:
            if rank < n_beams:  # the rest is only there to keep n_beams running
                ended.append(text)
        elif len(running) < n_beams:
            running.append(text)
            parents.append(parent)
    return parents, running, ended


def _log_p(texts: Sequences, running: list[Hypothesis]) -> Tensor:
    """log p of each running text with each token after it: [running, vocab]."""
    next_log_p = texts.next_logits().log_softmax(-1)
    so_far = torch.tensor([h.log_p for h in running], device=next_log_p.device)
    return next_log_p + so_far.unsqueeze(1)


def _settled(
    running: list[Hypothesis],
    finished: list[Hypothesis],
    n_beams: int,
    length: int,
    limit: int,
    length_penalty: int | float,
    early_stopping: Stopping,
) -> bool:
    """Whether to stop: n_beams are finished, and no running text is expected to beat the worst."""
    if len(finished) < n_beams:
        return False
    if early_stopping is True:
        return True
    at_best = limit if early_stopping == "never" and length_penalty > 0 else length
    return running[0].log_p / at_best**length_penalty <= finished[-1].score


def _check(n_beams: int, most: int, length_penalty: int | float, early_stopping: Stopping) -> None:
    if not 1 <= n_beams <= most:
        raise ValueError(f"n_beams is {n_beams}, expected 1 to {most} with this vocabulary")
    if not -float("inf") < length_penalty < float("inf"):
        raise ValueError(f"length_penalty is {length_penalty}, expected a finite number")
    if early_stopping not in (True, False, "never"):
        raise ValueError(f"early_stopping is {early_stopping!r}, expected True, False or 'never'")
