"""What a model says when it is asked: generate, read the reply, let a verifier judge it.

A base model has never seen a question in the chat format; it is asked in the form of the corpus,
with examples before it, and only the first line or sentence of what it goes on to write is its
reply. A chat model is asked in the chat format and ends by itself. Two forms of asking are two
different exams: compare stages with that in mind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.generate import generate
from course_lib.data.tokenization.chat import prompt_ids, reply_text
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.evaluation.stats import Interval, wilson
from course_lib.world import Question, World, reply_of


@dataclass(frozen=True)
class Marked:
    """A question with the reply it got and the verifier's decision."""

    question: Question
    reply: str
    correct: bool
    reason: str


def complete(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    stop_ids: Sequence[int],
    *,
    max_new_tokens: int = 96,
    rows: int = 128,
) -> list[list[int]]:
    """Greedy continuations in the order of the prompts; prompts of like length share a batch.

    Raises ValueError for a prompt that leaves no room to answer.
    """
    room = model.config.max_seq - max(map(len, prompts))
    if room < 1:
        raise ValueError(f"a prompt has {max(map(len, prompts))} tokens: no room for a reply")
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    replies: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        new = generate(
            model,
            [prompts[i] for i in chosen],
            max_new_tokens=min(max_new_tokens, room),
            stop_ids=stop_ids,
        )
        for i, reply in zip(chosen, new, strict=True):
            replies[i] = reply
    return replies


def ask_chat(
    model: Decoder, tokenizer: Tokenizer, questions: Sequence[Question], **options: int
) -> list[str]:
    """Replies in the chat format, as a user gets them."""
    prompts = [
        prompt_ids(tokenizer, [{"role": "user", "content": question.prompt}])
        for question in questions
    ]
    stops = (tokenizer.end_id, tokenizer.eos_id)
    return [reply_text(tokenizer, ids) for ids in complete(model, prompts, stops, **options)]


def ask_few_shot(
    model: Decoder,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    world: World,
    *,
    shots: int = 2,
    worked: bool = False,
    **options: int,
) -> list[str]:
    """Replies of a base model to questions in the corpus's own form.

    worked: begin a counting answer for it, so that it shows its steps (`World.few_shot`).
    """
    texts = [world.few_shot(q, shots=shots, worked=worked) for q in questions]
    prompts = [[tokenizer.eos_id, *tokenizer.encode(text)] for text in texts]
    written = complete(model, prompts, (tokenizer.eos_id,), **options)
    replies = []
    for question, ids in zip(questions, written, strict=True):
        begun = question.meta.get("first_words", "") if worked else ""
        replies.append(reply_of(question, begun + tokenizer.decode(ids)))
    return replies


def mark(world: World, questions: Sequence[Question], replies: Sequence[str]) -> list[Marked]:
    """The strict verifier's decision on each reply, with its reason."""
    marked = []
    for question, reply in zip(questions, replies, strict=True):
        verdict = world.verify(question, reply)
        marked.append(Marked(question, reply, verdict.correct, verdict.reason))
    return marked


def by_kind(marked: Sequence[Marked]) -> dict[str, Interval]:
    """Accuracy of each kind of question with its 95 % Wilson interval, and of all together."""
    kinds = list(dict.fromkeys(m.question.kind for m in marked))
    groups = {kind: [m.correct for m in marked if m.question.kind == kind] for kind in kinds}
    groups["all"] = [m.correct for m in marked]
    return {kind: wilson(sum(right), len(right)) for kind, right in groups.items()}
