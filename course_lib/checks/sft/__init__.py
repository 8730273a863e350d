"""Instant checks of the sft chapter's exercises."""

from collections.abc import Callable

from course_lib.checks._report import CheckReport, run_check
from course_lib.sft.masking import IGNORED, answer_only

Tokens = list[int]
Mask = Callable[[Tokens, Tokens], tuple[Tokens, Tokens]]


def loss_mask(fn: Mask) -> CheckReport:
    """Check fn(prompt, reply) -> (inputs, targets) against `answer_only`.

    prompt and reply are lists of token ids; targets hold -100 where the loss does not count.
    """
    cases = [
        ([0, 1, 40, 3, 2], [50, 3]),
        ([0, 1, 40, 41, 42, 3, 2], [50, 51, 52, 3]),
        ([0], [50]),
        ([0, 1, 40, 3, 2], [40, 3]),  # the reply repeats a word of the question
    ]
    return run_check(
        "The answer-only loss mask", fn, cases, answer_only, mistakes=MISTAKES, compare=_equal
    )


def _equal(got: tuple[Tokens, Tokens], want: tuple[Tokens, Tokens]) -> bool:
    """Lists, tuples and tensors of the same whole numbers."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        return False
    return all(list(map(int, g)) == w for g, w in zip(got, want, strict=True))


def _everything(prompt: Tokens, reply: Tokens) -> tuple[Tokens, Tokens]:
    tokens = [*prompt, *reply]
    return tokens[:-1], tokens[1:]


def _without_end(prompt: Tokens, reply: Tokens) -> tuple[Tokens, Tokens]:
    inputs, targets = answer_only(prompt, reply)
    return inputs, [*targets[:-1], IGNORED]


def _not_shifted(prompt: Tokens, reply: Tokens) -> tuple[Tokens, Tokens]:
    return [*prompt, *reply], [IGNORED] * len(prompt) + reply


def _not_shifted_but_cut(prompt: Tokens, reply: Tokens) -> tuple[Tokens, Tokens]:
    return [*prompt, *reply][:-1], ([IGNORED] * len(prompt) + reply)[:-1]


def _one_late(prompt: Tokens, reply: Tokens) -> tuple[Tokens, Tokens]:
    inputs, targets = answer_only(prompt, reply)
    targets[len(prompt) - 1] = IGNORED
    return inputs, targets


def _one_early(prompt: Tokens, reply: Tokens) -> tuple[Tokens, Tokens]:
    inputs, targets = answer_only(prompt, reply)
    if len(prompt) > 1:
        targets[len(prompt) - 2] = prompt[-1]
    return inputs, targets


def _zero_for_ignored(prompt: Tokens, reply: Tokens) -> tuple[Tokens, Tokens]:
    inputs, targets = answer_only(prompt, reply)
    return inputs, [0 if t == IGNORED else t for t in targets]


MISTAKES: dict[str, Mask] = {
    "The question counts in the loss too: the model then also learns to write questions. Put -100 "
    "at every position whose target belongs to the prompt.": _everything,
    "The last token of the reply, <|end|>, does not count: the model never learns to stop.": (
        _without_end
    ),
    "The targets are not shifted: position t must hold token t + 1. As it stands the model is "
    "asked for the token it has just read.": _not_shifted,
    "The targets are cut to the right length but not shifted: position t must hold token t + 1.": (
        _not_shifted_but_cut
    ),
    "The mask ends one position too late: the last prompt token predicts the first token of the "
    "reply, so that position counts.": _one_late,
    "The mask ends one position too early: <|assistant|> is given, not predicted.": _one_early,
    "You put 0 where the loss should not count, but 0 is a token (<|eos|>): use -100, the value "
    "that cross_entropy leaves out.": _zero_for_ignored,
}
