"""Small models as proxies: does the ranking of recipes at one size hold at ten times the size?

Eight recipes that differ in one thing each are trained at two sizes on the same tokens of the
micro-world, the small one under two seeds. Each run is also branched off at half the tokens: the
other way to make a trial cheap.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from course_lib import lineage
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.packing import Packed, batch, pack_texts
from course_lib.data.recipe import read_documents
from course_lib.experiments import experiment, once
from course_lib.scaling.laws.grid import BranchConfig, trunk_and_branches
from course_lib.studies.scaling.world import WithinDocuments, held_out_loss


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One thing that differs from the plain recipe."""

    name: str
    rate: float = 1.0  # multiple of the plain learning rate
    batch: int = 1  # multiple of the rows, for as many fewer steps
    masked: bool = True  # tokens see their own document alone
    fewer_tales: bool = False  # three in four tales are left out of the training text
    shape: dict = field(default_factory=dict)  # choices of the ModelConfig


GPT2 = {"norm": "layer", "position": "learned", "mlp": "gelu", "bias": True}
RECIPES = (
    Recipe(name="plain"),
    Recipe(name="rate × 3", rate=3.0),
    Recipe(name="rate ÷ 4", rate=0.25),
    Recipe(name="batch × 4", batch=4),
    Recipe(name="no document mask", masked=False),
    Recipe(name="GPT-2's parts", shape=GPT2),
    Recipe(name="QK-norm", shape={"qk_norm": True}),
    Recipe(name="a quarter of the tales", fewer_tales=True),
)


@dataclass(frozen=True, kw_only=True)
class ProxiesConfig:
    """Sizes as (width, layers, heads, seeds): 0.3 and 3 million parameters."""

    recipes: tuple[Recipe, ...] = RECIPES
    small: tuple[int, int, int, tuple[int, ...]] = (80, 4, 5, (0, 1))
    large: tuple[int, int, int, tuple[int, ...]] = (256, 4, 8, (0,))
    steps: tuple[int, ...] = (140, 280)
    batch_size: int = 6
    seq_len: int = 192
    lr: float = 3e-3  # of width 48; falls as 1 / sqrt(width)
    warmup_steps: int = 20
    train_documents: int = 16_000
    held_out_documents: int = 600


def rows_of(
    config: ProxiesConfig, split: str, most: int, keep: Callable[[int, str], bool]
) -> Packed:
    """Packed rows of the documents of a split that ``keep(number, kind)`` wants."""
    records = islice(read_documents(lineage.corpus(), split), most)
    texts = [record["text"] for i, record in enumerate(records) if keep(i, record["kind"])]
    return pack_texts(texts, lineage.tokenizer(), config.seq_len)


def run(config: ProxiesConfig, recipe: Recipe, size: tuple, seed: int, held_out: Packed) -> dict:
    """Losses of one recipe at one size and seed, after half the tokens and after all."""
    width, layers, heads, _ = size
    tokenizer = lineage.tokenizer()
    shape = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=width,
        n_layers=layers,
        n_heads=heads,
        n_kv_heads=1,
        d_ff=8 * round(width / 3),
        max_seq=config.seq_len,
    )
    shape = replace(shape, **recipe.shape)
    decoder = Decoder(shape, generator=torch.Generator().manual_seed(seed))
    model = WithinDocuments(decoder, tokenizer.eos_id) if recipe.masked else decoder
    train = rows_of(
        config,
        "train",
        config.train_documents,
        lambda i, kind: not (recipe.fewer_tales and kind == "tale" and i % 4),
    )
    rows = config.batch_size * recipe.batch
    losses = trunk_and_branches(
        model,
        lambda step: batch(train, step, rows, seed=seed),
        lambda trained: held_out_loss(trained, held_out),
        BranchConfig(
            steps=tuple(steps // recipe.batch for steps in config.steps),
            lr=config.lr * (48 / width) ** 0.5 * recipe.rate,
            warmup_steps=max(1, config.warmup_steps // recipe.batch),
        ),
    )
    parameters = sum(weight.numel() for weight in decoder.parameters())
    return {"parameters": parameters, "half": losses[0], "full": losses[-1]}


@experiment(config=ProxiesConfig())
def proxies(config: ProxiesConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Every recipe, size and seed; each run is kept when done."""
    held_out = rows_of(config, "validation", config.held_out_documents, lambda i, kind: True)
    jobs = [
        (place, recipe, label, size, seed)
        for label, size in (("small", config.small), ("large", config.large))
        for seed in size[-1]
        for place, recipe in enumerate(config.recipes)
    ]
    runs = []
    for number, (place, recipe, label, size, seed) in enumerate(jobs):
        progress(number / len(jobs), f"{label}, seed {seed}: {recipe.name}")
        made = partial(run, config, recipe, size, seed, held_out)
        about = {"recipe": recipe.name, "size": label, "seed": seed}
        runs.append(about | once(work / f"{label}-{seed}-{place}.json", made))
    tokens = [steps * config.batch_size * config.seq_len for steps in config.steps]
    return {"runs": runs, "tokens": tokens, "config": asdict(config)}
