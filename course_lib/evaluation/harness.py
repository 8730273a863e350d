"""Our decoder inside the Language Model Evaluation Harness (lm-eval), the field's common exam room.

The harness owns the tasks: what is asked, how a reply is cut, how a score is computed. A model
joins by answering three kinds of request: the likelihood of a continuation, the likelihood of a
whole text, and a generated reply. Source: Biderman et al. 2024 (arXiv:2405.14782), section 3.

lm-eval is imported inside the functions that need it: it takes seconds.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import torch

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.filters import Filters
from course_lib.architecture.sampling.generate import MAX_NEW_TOKENS, complete
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.evaluation.likelihood import score_pairs, windows

DRAWING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty")


def encode_marked(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of a text in which `<|user|>` and its like mean the special tokens.

    The harness hands over a conversation as one string that the chat template made. Never use it
    on text from outside: whoever writes `<|assistant|>` in it would speak in the model's name.
    """
    parts = re.split("(" + "|".join(map(re.escape, tokenizer.specials)) + ")", text)
    ids = []
    for part in parts:
        special = part in tokenizer.specials
        ids += [tokenizer.specials.index(part)] if special else tokenizer.encode(part)
    return ids


def course_lm(model: Decoder, tokenizer: Tokenizer, *, name: str = "course") -> Any:
    """Our model as the harness's `TemplateLM`."""
    return _template_class()(model, tokenizer, name)


@cache
def _template_class() -> type:
    from lm_eval.api.model import TemplateLM

    class CourseLM(TemplateLM):
        """Answers the harness's requests with `score_pairs` and `complete`."""

        def __init__(self, model: Decoder, tokenizer: Tokenizer, name: str) -> None:
            super().__init__()
            self.model, self.ours, self.name = model.eval(), tokenizer, name
            self.tokenizer = tokenizer.to_transformers()  # for its chat template alone
            self.generator = torch.Generator(model.device).manual_seed(0)

        @property
        def eot_token_id(self) -> int:
            return self.ours.eos_id

        @property
        def tokenizer_name(self) -> str:
            return self.name

        def tok_encode(
            self, string: str, add_special_tokens: bool | None = None, **_: Any
        ) -> list[int]:
            """Ids of a text that follows `<|eos|>`, unless it is a continuation or begins so."""
            ids = encode_marked(self.ours, string)
            if add_special_tokens is False or ids[:1] == [self.ours.eos_id]:
                return ids
            return [self.ours.eos_id, *ids]

        def apply_chat_template(
            self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
        ) -> str:
            return self.tokenizer.apply_chat_template(
                chat_history, tokenize=False, add_generation_prompt=add_generation_prompt
            )

        def _loglikelihood_tokens(self, requests, **_: Any) -> list[tuple[float, bool]]:
            scored = score_pairs(self.model, [(ctx, cont) for _, ctx, cont in requests])
            return [(s.logprob, s.greedy) for s in scored]

        def loglikelihood_rolling(self, requests, disable_tqdm: bool = False) -> list[float]:
            size = self.model.config.max_seq
            totals = []
            for request in requests:
                row = self.tok_encode(request.args[0])
                cuts = windows(len(row) - 1, size, size)
                pairs = [(row[a : first + 1], row[first + 1 : b + 1]) for a, b, first in cuts]
                totals.append(sum(s.logprob for s in score_pairs(self.model, pairs)))
            return totals

        def generate_until(self, requests, disable_tqdm: bool = False) -> list[str]:
            """Each question by its own options; those with the same ones share a batch."""
            asked = [request.args for request in requests]
            groups: dict[tuple[int, Filters], list[int]] = {}
            for i, (_, options) in enumerate(asked):
                groups.setdefault(generation(options), []).append(i)
            replies = [""] * len(asked)
            for (limit, filters), group in groups.items():
                written = complete(
                    self.model,
                    [self.tok_encode(asked[i][0]) for i in group],
                    stop_ids=(self.ours.eos_id, self.ours.end_id),
                    max_new_tokens=limit,
                    filters=filters,
                    generator=self.generator,
                )
                for i, ids in zip(group, written, strict=True):
                    replies[i] = _cut(self.ours.decode(ids), asked[i][1].get("until") or [])
            return replies

    return CourseLM


def generation(options: dict[str, Any]) -> tuple[int, Filters]:
    """How many tokens at most, and how they are chosen, from a task's `generation_kwargs`.

    Greedy unless the task asks to draw: by `do_sample`, or by a temperature above 0. Raises
    ValueError for an option that we don't have: a score under other rules is another score.
    """
    known = {"until", "max_gen_toks", "max_new_tokens", "do_sample", *DRAWING}
    if unknown := sorted(options.keys() - known):
        raise ValueError(f"generation_kwargs has {unknown}: expected some of {sorted(known)}")
    limit = options.get("max_gen_toks", options.get("max_new_tokens", MAX_NEW_TOKENS))
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"max_gen_toks is {limit!r}: expected a whole number from 1")
    chosen = {name: options[name] for name in DRAWING if options.get(name) is not None}
    draws = options.get("do_sample", chosen.get("temperature", 0) > 0)
    return limit, Filters(**chosen if draws else {**chosen, "temperature": 0})


def _cut(text: str, stops: str | list[str]) -> str:
    """The text before the first stop string, as the harness's own models cut it."""
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop)[0] if stop else text
    return text


def hf_lm(llama: Any, tokenizer: Tokenizer, *, add_bos: bool = True, batch_size: int = 64) -> Any:
    """A transformers model as the harness's own `HFLM`, which begins every text with `<|eos|>`.

    `add_bos=False` is for rolling likelihoods: there the harness adds the prefix by itself, and a
    tokenizer that adds it too is charged for predicting it.
    """
    from lm_eval.models.huggingface import HFLM
    from tokenizers.processors import TemplateProcessing

    theirs = tokenizer.to_transformers()
    theirs.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|eos|> $A", special_tokens=[("<|eos|>", tokenizer.eos_id)]
    )
    return HFLM(
        pretrained=llama,
        tokenizer=theirs,
        batch_size=batch_size,
        add_bos_token=add_bos,
        max_length=llama.config.max_position_embeddings,
    )


def run_harness(
    lm: Any, tasks: list[str], folder: Path, *, chat: bool = False, limit: int | None = None
) -> dict[str, Any]:
    """The harness's results on tasks whose YAML files lie in `folder`; `samples` are included.

    Only these tasks are read: the harness's own thousands take seconds to index. `chat` wraps each
    prompt in the model's chat template.
    """
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    return simple_evaluate(
        model=lm,
        tasks=tasks,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        apply_chat_template=chat,
        bootstrap_iters=0,
        limit=limit,
        log_samples=True,
        verbosity="ERROR",
    )
