"""Every fault of `broken` on several seeds: the curves, the samples and what can be measured."""

from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from course_lib import lineage
from course_lib.data.mixing.packing import Packed, pack
from course_lib.data.recipe import read_documents
from course_lib.data.tokenization.tokenizer import Tokenizer, train_bpe
from course_lib.experiments import experiment, once
from course_lib.pretraining.monitoring.broken import (
    FAULTS,
    HEALTHY,
    BrokenConfig,
    Run,
    Text,
    go,
    shared_cache,
    start,
)
from course_lib.pretraining.monitoring.symptoms import examine

PROMPTS = ("Zorik", "Question:")
DOCUMENTS, HELD_OUT = 5000, 300
# Healthy runs of other sizes: a tool whose thresholds fit one size only would cry wolf here.
VARIANTS = (
    ("half the rate", {"lr": 2e-3}),
    ("twice the rate", {"lr": 8e-3}),
    ("width 96", {"d_model": 96}),
    ("half the batch", {"rows": 4}),
)


def read(config: BrokenConfig) -> Text:
    """Documents of the course's corpus that fit a row, in its own tokens and in foreign ones.

    The foreign tokenizer has as many tokens, and learned them from one kind of document alone. The
    floor is that of the held-out rows: of the documents that fit, as in `_pack`, and no others.
    """
    tokenizer = lineage.tokenizer()
    documents, held_out = _lines("train", DOCUMENTS), _lines("validation", HELD_OUT)
    quiz = [line["text"] for line in documents if line["kind"] == "quiz"]
    foreign = train_bpe(quiz, tokenizer.vocab_size)
    ids = tokenizer.encode_batch([line["text"] for line in held_out])
    fits = [
        (doc, line) for doc, line in zip(ids, held_out, strict=True) if len(doc) < config.seq_len
    ]
    return Text(
        rows=_pack(tokenizer, documents, config.seq_len),
        foreign=_pack(foreign, documents, config.seq_len),
        held_out=_pack(tokenizer, held_out, config.seq_len),
        tokenizer=tokenizer,
        floor=sum(line["nats"] for _, line in fits) / sum(len(doc) + 1 for doc, _ in fits),
    )


def _lines(split: str, count: int) -> list[dict]:
    return list(islice(read_documents(lineage.corpus(), split), count))


def _pack(tokenizer: Tokenizer, documents: list[dict], seq_len: int) -> Packed:
    ids = tokenizer.encode_batch([line["text"] for line in documents])
    return pack([doc for doc in ids if len(doc) < seq_len], seq_len, tokenizer.eos_id)


def summary(run: Run) -> dict:
    """Of a finished run: its curves, thinned, its samples and its symptoms, ready for JSON."""
    watched = [line for line in run.log if "update_ratio" in line]
    names = ("step", "loss", "lr", "grad_norm", "update_ratio")
    return {
        "curves": {name: [round(line[name], 5) for line in watched] for name in names},
        "samples": [[prompt, _printable(run.sample(prompt))] for prompt in PROMPTS],
        "symptoms": asdict(examine(run)),
    }


def plan(config: BrokenConfig) -> list[tuple[str, int, str, BrokenConfig]]:
    """Fault, seed, variant and sizes of every run: all on each seed, then the healthy variants."""
    runs = [(f, seed, "", config) for seed in config.seeds for f in (HEALTHY, *FAULTS)]
    return runs + [(HEALTHY, 0, name, replace(config, **sizes)) for name, sizes in VARIANTS]


def _printable(text: str) -> str:
    """A broken run writes bytes that no page can show."""
    return "".join(char if char.isprintable() else " " for char in text)


def _trained(
    fault: str, text: Text, sizes: BrokenConfig, seed: int, healthy: Run | None = None
) -> Run:
    """The finished run. A stale cache breaks the sampler alone: a healthy run at hand will do."""
    if fault == "stale cache" and healthy is not None:
        return replace(healthy, new_cache=shared_cache())
    return go(start(fault, text, sizes, seed), sizes)


@experiment(config=BrokenConfig())
def broken(config: BrokenConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """The healthy run and the ten broken ones, on every seed, and healthy ones of other sizes."""
    text, runs, planned = read(config), [], plan(config)
    healthy: dict[int, Run] = {}
    for number, (fault, seed, variant, sizes) in enumerate(planned):
        progress(number / len(planned), f"seed {seed}: {fault} {variant}")
        about = {"fault": fault, "seed": seed, "variant": variant}

        def trained(about: dict = about, sizes: BrokenConfig = sizes) -> dict:
            seed = about["seed"]
            run = _trained(about["fault"], text, sizes, seed, healthy.get(seed))
            if about["fault"] == HEALTHY:
                healthy[seed] = run
            return about | summary(run)

        name = f"{fault}-{seed}-{variant}.json".replace(" ", "-")
        runs.append(once(work / name, trained))
    return {"runs": runs, "floor": text.floor}
