"""Ask a model many questions at once and read its replies as text.

A base model has never seen a question in the chat format; it is asked in the form of the corpus,
with examples before it, and only the first line or sentence of what it goes on to write is its
reply. A chat model is asked in the chat format and ends by itself. Two forms of asking are two
different exams: compare stages with that in mind.
"""

from collections.abc import Sequence

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.generate import MAX_NEW_TOKENS, complete
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.sft.synthetic import encode_prompt
from course_lib.world import Question, World, reply_of


def ask(
    model: Decoder,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    begin_with: Sequence[str] | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    batch_size: int = 100,
) -> list[str]:
    """The model's greedy reply to each question in the chat format, as a user gets it.

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
        batch_size=batch_size,
    )
    return [
        tokenizer.decode([*start, *reply]).strip()
        for start, reply in zip(given, replies, strict=True)
    ]


def ask_few_shot(
    model: Decoder,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    world: World,
    *,
    shots: int = 2,
    worked: bool = False,
    max_new_tokens: int = MAX_NEW_TOKENS,
    batch_size: int = 100,
) -> list[str]:
    """A base model's greedy reply to each question, asked in the corpus's own form.

    worked: begin the first step of a counting reply for it, so that it shows its work
    (`World.few_shot`).
    """
    texts = [world.few_shot(question, shots, worked=worked) for question in questions]
    prompts = [[tokenizer.eos_id, *tokenizer.encode(text)] for text in texts]
    stories = [i for i, q in enumerate(questions) if q.kind in ("where", "count")]
    quizzes = [i for i, q in enumerate(questions) if q.kind not in ("where", "count")]
    newline = tokenizer.encode("\n")[-1]  # ends the line of a quiz, and so the reply
    replies = [""] * len(questions)
    for chosen, stops in ((stories, ()), (quizzes, (newline,))):
        new = complete(
            model,
            [prompts[i] for i in chosen],
            stop_ids=(tokenizer.eos_id, *stops),
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
        )
        for i, ids in zip(chosen, new, strict=True):
            begun = questions[i].meta.get("first_words", "") if worked else ""
            replies[i] = reply_of(questions[i], begun + tokenizer.decode(ids))
    return replies
