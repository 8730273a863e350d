"""What duplicates do to a model: plant documents k times in a run, then look who is recited.

The micro-world gives what real text never does: the exact surprisal of every document. A model that
knows the generator perfectly needs that many nats on average and no less. A document that costs far
less is not understood but remembered.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.packing import batch, pack_texts
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.evaluation.likelihood import score_pairs
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.world.world import Document, World


@dataclass(frozen=True, kw_only=True)
class MemorisationConfig:
    """`planted` tales for each number of copies; the rest of the run is fresh documents."""

    copies: tuple[int, ...] = (0, 1, 4, 16, 64)
    planted: int = 16
    steps: int = 150
    batch_size: int = 6
    lr: float = 1.5e-3
    prompt: float = 0.5  # share of a document's tokens that recital starts from
    seed: int = 0


@dataclass(frozen=True)
class Recall:
    """Of documents with `copies` in the run: nats a document, the generator's, and recitals."""

    copies: int
    nats: float
    floor: float
    recited: float

    @property
    def saved(self) -> float:
        """Nats a document below the generator's own surprisal."""
        return self.floor - self.nats


def plant(world: World, config: MemorisationConfig) -> dict[int, list[Document]]:
    """A group of tales for each number of copies, drawn alike; no text stands in two groups."""
    tales = {}
    need = config.planted * len(config.copies)
    for document in world.documents("train", 20 * need, 1_000_003 + config.seed):
        if document.kind == "tale":
            tales.setdefault(document.text, document)
        if len(tales) == need:
            break
    chosen = list(tales.values())
    return {
        k: chosen[i * config.planted : (i + 1) * config.planted]
        for i, k in enumerate(config.copies)
    }


def continue_training(
    model: Decoder,
    tokenizer: Tokenizer,
    world: World,
    config: MemorisationConfig,
    planted: dict[int, list[Document]],
    seq_len: int,
) -> int:
    """Train on fresh documents with the planted copies strewn among them; returns their number."""
    texts = [document.text for k, group in planted.items() for document in group for _ in range(k)]
    copies, room = len(texts), config.steps * config.batch_size * seq_len
    room -= sum(len(ids) + 1 for ids in tokenizer.encode_batch(texts))
    most = config.steps * config.batch_size * 8  # documents: more than ever fit
    for document in world.documents("train", most, 2_000_003 + config.seed):
        ids = tokenizer.encode(document.text)
        room -= len(ids) + 1
        if room < 0:
            break
        texts.append(document.text)
    random.Random(config.seed).shuffle(texts)
    packed = pack_texts(texts, tokenizer, seq_len)
    run = TrainConfig(
        steps=len(packed) // config.batch_size, batch_size=config.batch_size, lr=config.lr
    )
    train(
        model,
        lambda step: batch(packed, step, config.batch_size, config.seed),
        run,
        eos_id=tokenizer.eos_id,
    )
    return copies


def recall(
    model: Decoder, tokenizer: Tokenizer, planted: dict[int, list[Document]], prompt: float = 0.5
) -> list[Recall]:
    """Cost and recital by number of copies. Recited: greedy decoding from the first `prompt` of the
    tokens gives the rest, to the last one."""
    rows = []
    for copies, group in planted.items():
        ids = [tokenizer.encode(document.text) for document in group]
        end = [tokenizer.eos_id]
        costs = score_pairs(model, [(end, tokens + end) for tokens in ids])
        halves = [round(len(tokens) * prompt) for tokens in ids]
        rest = score_pairs(
            model,
            [
                (end + tokens[:half], tokens[half:] + end)
                for tokens, half in zip(ids, halves, strict=True)
            ],
        )
        rows.append(
            Recall(
                copies,
                -_mean([cost.logprob for cost in costs]),
                _mean([document.nats for document in group]),
                _mean([score.greedy for score in rest]),
            )
        )
    return rows


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
