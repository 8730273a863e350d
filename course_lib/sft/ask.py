"""Ask a model many questions at once and read its replies as text."""

from collections.abc import Sequence

import torch

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.generate import generate
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.sft.synthetic import encode_prompt
from course_lib.world import Question, World, reply_of


def ask(
    model: Decoder,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    begin_with: Sequence[str] | None = None,
    max_new_tokens: int = 64,
    at_once: int = 100,
) -> list[str]:
    """The model's greedy reply to each question, in the chat format.

    begin_with: for each question the first words of the reply, put into the model's mouth; they
    are part of the returned text.
    """
    starts = list(begin_with) if begin_with is not None else [""] * len(questions)
    given = [tokenizer.encode(" " + start) if start else [] for start in starts]
    prompts = [
        encode_prompt(tokenizer, question.prompt) + start
        for question, start in zip(questions, given, strict=True)
    ]
    replies = complete(
        model,
        prompts,
        stop_ids=(tokenizer.end_id, tokenizer.eos_id),
        max_new_tokens=max_new_tokens,
        at_once=at_once,
    )
    return [
        tokenizer.decode([*start, *reply]).strip()
        for start, reply in zip(given, replies, strict=True)
    ]


def ask_base(
    model: Decoder,
    tokenizer: Tokenizer,
    world: World,
    questions: Sequence[Question],
    *,
    shots: int = 2,
    worked: bool = False,
) -> list[str]:
    """A base model's reply to each question, asked in the corpus's own form (few-shot).

    worked: begin the first step of a counting reply for it, so that it shows its work.
    """
    texts = [world.few_shot(question, shots, worked=worked) for question in questions]
    prompts = [[tokenizer.eos_id, *tokenizer.encode(text)] for text in texts]
    stories = [i for i, q in enumerate(questions) if q.kind in ("where", "count")]
    quizzes = [i for i, q in enumerate(questions) if q.kind not in ("where", "count")]
    newline = tokenizer.encode("\n")[-1]
    replies = [""] * len(questions)
    for chosen, stops, most in ((stories, (), 64), (quizzes, (newline,), 12)):
        new = complete(
            model,
            [prompts[i] for i in chosen],
            stop_ids=(tokenizer.eos_id, *stops),
            max_new_tokens=most,
        )
        for i, ids in zip(chosen, new, strict=True):
            begun = questions[i].meta.get("first_words", "") if worked else ""
            replies[i] = reply_of(questions[i], begun + tokenizer.decode(ids))
    return replies


def complete(
    model: Decoder,
    prompts: Sequence[list[int]],
    *,
    stop_ids: tuple[int, ...],
    max_new_tokens: int,
    at_once: int = 100,
) -> list[list[int]]:
    """Greedy continuations in the order of the prompts; prompts of like length go together."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    replies: list[list[int]] = [[] for _ in prompts]
    with torch.no_grad():
        for start in range(0, len(order), at_once):
            chosen = order[start : start + at_once]
            new = generate(
                model,
                [prompts[i] for i in chosen],
                max_new_tokens=max_new_tokens,
                stop_ids=stop_ids,
            )
            for i, reply in zip(chosen, new, strict=True):
                replies[i] = reply
    return replies
