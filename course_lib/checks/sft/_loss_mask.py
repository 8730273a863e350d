"""The answer-only loss mask: which tokens of a conversation the loss counts."""

import random

from course_lib.checks.exercise import Case, Exercise
from course_lib.pretraining.loss import IGNORE
from course_lib.sft.masking import answer_only

Tokens = list[int]
Pair = tuple[Tokens, Tokens]
EOS, USER, ASSISTANT, END = range(4)


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def words(number: int) -> Tokens:
        return rng.sample(range(4, 900), number)

    def turn(question: Tokens, answer: Tokens) -> tuple[Tokens, Tokens]:
        return [EOS, USER, *question, END, ASSISTANT], [*answer, END]

    again = words(1)
    return [
        Case("a question and an answer of one word", turn(words(1), words(1))),
        Case("a longer question, an answer of three words", turn(words(6), words(3))),
        Case("the answer repeats a word of the question", turn([*words(2), *again], again)),
        Case(
            "a second turn: the prompt holds an earlier answer",
            ([*sum(turn(words(2), words(2)), []), *turn(words(3), [])[0]], [*words(2), END]),
        ),
        Case("a prompt and a reply of one token each", (words(1), words(1)), edge=True),
        Case("a reply that is nothing but its end", turn(words(2), []), edge=True),
    ]


def _equal(got: object, want: object) -> bool:
    """Two lists, tuples or tensors of the same whole numbers."""
    return _plain(got) == _plain(want)


def _plain(value: object) -> object:
    """As lists of numbers; anything else stays itself, and equals nothing."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def _right(prompt: Tokens, reply: Tokens) -> Pair:
    return answer_only(prompt, reply)


def _everything(prompt: Tokens, reply: Tokens) -> Pair:
    tokens = [*prompt, *reply]
    return tokens[:-1], tokens[1:]


def _without_end(prompt: Tokens, reply: Tokens) -> Pair:
    inputs, targets = answer_only(prompt, reply)
    return inputs, [*targets[:-1], IGNORE]


def _not_shifted(prompt: Tokens, reply: Tokens) -> Pair:
    return [*prompt, *reply], [IGNORE] * len(prompt) + reply


def _not_shifted_but_cut(prompt: Tokens, reply: Tokens) -> Pair:
    return [*prompt, *reply][:-1], ([IGNORE] * len(prompt) + reply)[:-1]


def _one_late(prompt: Tokens, reply: Tokens) -> Pair:
    inputs, targets = answer_only(prompt, reply)
    targets[len(prompt) - 1] = IGNORE
    return inputs, targets


def _one_early(prompt: Tokens, reply: Tokens) -> Pair:
    inputs, targets = answer_only(prompt, reply)
    if len(prompt) > 1:
        targets[len(prompt) - 2] = prompt[-1]
    return inputs, targets


def _zero_for_ignored(prompt: Tokens, reply: Tokens) -> Pair:
    inputs, targets = answer_only(prompt, reply)
    return inputs, [0 if t == IGNORE else t for t in targets]


def _whole_inputs(prompt: Tokens, reply: Tokens) -> Pair:
    return [*prompt, *reply], [IGNORE] * (len(prompt) - 1) + reply


_MISTAKES = {
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
    "The targets are right, but the inputs are one longer: the last token of all is never read, "
    "since nothing comes after it.": _whole_inputs,
}

loss_mask = Exercise(
    name="sft/loss_mask",
    title="The answer-only loss mask",
    answer="my_loss_mask",
    kind="warm-up",
    minutes=10,
    points=5,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    compare=_equal,
)
