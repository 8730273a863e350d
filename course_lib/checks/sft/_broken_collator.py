"""Diagnose: a collator that makes the model drop letters, run on, and learn the questions."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise
from course_lib.checks.faults import left_over
from course_lib.pretraining.loss import IGNORE

Example = tuple[list[int], list[int]]
Batch = dict[str, Tensor]
EOS = 0


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)

    def example(prompt: int, reply: int, doubled: bool = False) -> Example:
        words = rng.choices(range(3, 40), k=reply)
        if doubled:
            words[reply // 2] = words[reply // 2 - 1]
        return [EOS, 1, *rng.choices(range(3, 40), k=prompt), 2], [*words, EOS]

    return [
        Case("two examples of one length", ([example(1, 3), example(1, 3)], EOS)),
        Case("replies of three lengths", ([example(2, n) for n in (2, 5, 3)], EOS)),
        Case("prompts of three lengths", ([example(n, 4, doubled=True) for n in (1, 4, 2)], EOS)),
        Case(
            "a prompt with an end of text inside",
            ([([EOS, *example(1, 2)[0], EOS, 7, 2], [8, 9, EOS]), example(2, 4)], EOS),
        ),
        Case("one example", ([example(2, 3)], EOS), edge=True),
        Case(
            "a reply that is nothing but its end", ([example(2, 0), example(1, 2)], EOS), edge=True
        ),
    ]


def _collate(
    examples: list[Example],
    eos_id: int,
    *,
    shifts: int = 0,
    masks_by_id: bool = False,
    masks_prompt: bool = True,
    masks_padding: bool = True,
) -> Batch:
    """Labels stand at the place of their token: the model shifts. Right by default."""
    width = max(len(prompt) + len(reply) for prompt, reply in examples)
    ids = torch.full((len(examples), width), eos_id)
    labels = ids if not masks_padding else torch.full_like(ids, IGNORE)
    labels = labels.clone()
    for i, (prompt, reply) in enumerate(examples):
        tokens = torch.tensor([*prompt, *reply])
        ids[i, : len(tokens)] = labels[i, : len(tokens)] = tokens
        if masks_prompt:
            labels[i, : len(prompt)] = IGNORE
    if masks_by_id:
        labels[labels == eos_id] = IGNORE
    for _ in range(shifts):
        labels = torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], IGNORE)], dim=1)
    return {"input_ids": ids, "labels": labels}


def _right(examples: list[Example], eos_id: int) -> Batch:
    return _collate(examples, eos_id)


def _left(change: dict) -> Callable[[list[Example], int], Batch]:
    return lambda examples, eos_id: _collate(examples, eos_id, **change)


_FAULTS = {  # what the run as found does, and the words for it
    "the labels are shifted here and once more in the model": {"shifts": 1},
    "the last <|eos|> of a reply is masked along with the padding": {"masks_by_id": True},
    "the prompt is counted": {"masks_prompt": False},
}


_MISTAKES = left_over(_FAULTS, _left) | {
    "Now the padding counts: behind the end of each reply the labels must be -100. Mask by the "
    "length of each row, not by the id, which the padding shares with the end.": (
        _left({"masks_padding": False})
    ),
    "You shift the labels the other way as well: hand them over where the tokens stand, and let "
    "the model shift.": lambda examples, eos_id: _shifted_right(examples, eos_id),
}


def _shifted_right(examples: list[Example], eos_id: int) -> Batch:
    batch = _collate(examples, eos_id)
    labels = batch["labels"]
    first = torch.full_like(labels[:, :1], IGNORE)
    return batch | {"labels": torch.cat([first, labels[:, :-1]], dim=1)}


broken_collator = Exercise(
    name="sft/broken_collator",
    title="The run that drops letters",
    answer="my_collate",
    kind="diagnose",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
)
