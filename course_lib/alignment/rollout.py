"""Rollouts: let the model answer each question several times, with some chance.

Both preference pairs and GRPO start here: what the model itself says is what it can learn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.filters import Filters
from course_lib.architecture.sampling.generate import MAX_NEW_TOKENS, complete
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.sft.masking import Example
from course_lib.sft.synthetic import encode_prompt
from course_lib.world import Question


@dataclass(frozen=True)
class Rollout:
    """The questions, and for each of them `samples` replies as ids and as text."""

    questions: list[Question]
    examples: list[list[Example]]
    texts: list[list[str]]

    @property
    def mean_length(self) -> float:
        """Tokens a reply."""
        lengths = [len(example.reply) for group in self.examples for example in group]
        return sum(lengths) / len(lengths)


def rollout(
    model: Decoder,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    samples: int,
    generator: torch.Generator,
    temperature: float = 1.0,
    max_new_tokens: int = MAX_NEW_TOKENS,
    batch_size: int = 64,
) -> Rollout:
    """`samples` replies to each question, drawn at `temperature` from the model."""
    was_training = model.training
    model.eval()
    prompts = [encode_prompt(tokenizer, question.prompt) for question in questions]
    repeated = [prompt for prompt in prompts for _ in range(samples)]
    replies = complete(
        model,
        repeated,
        stop_ids=(tokenizer.end_id, tokenizer.eos_id),
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        filters=Filters(temperature=temperature),
        generator=generator,
    )
    model.train(was_training)
    examples = [Example(tuple(p), tuple(r)) for p, r in zip(repeated, replies, strict=True)]
    texts = [tokenizer.decode(reply).strip() for reply in replies]
    return Rollout(list(questions), _grouped(examples, samples), _grouped(texts, samples))


def _grouped(items: list, size: int) -> list[list]:
    return [items[i : i + size] for i in range(0, len(items), size)]
