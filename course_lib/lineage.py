"""The lineage: one model's way through the book, and how a page asks for a stage of it.

corpus → tokenizer → base → sft → aligned → quantized. Each stage is a recipe in its own chapter's
package; here they are joined, and sized by the profile. ``model("sft")`` builds what is missing,
once, and gives the weights.

Beside it stands a guest, `published`: a model that others trained. It is fetched at set-up and
never later; where it couldn't be, ``published()`` is None.
"""

from functools import cache
from pathlib import Path

from tqdm import tqdm

from course_lib import artifacts, profile, runtime
from course_lib.alignment.recipe import AlignedConfig, build_aligned
from course_lib.architecture.decoder import Decoder, load_model
from course_lib.architecture.families.download import FileConfig, fetch_file
from course_lib.architecture.families.published import PublishedConfig, build_published
from course_lib.artifacts import Artifact, Recipe
from course_lib.data.recipe import (
    CorpusConfig,
    TokenizerConfig,
    build_corpus,
    build_tokenizer,
    read_documents,
    read_world,
)
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.deployment.quantize import load_quantized
from course_lib.deployment.recipe import QuantizedConfig, build_quantized
from course_lib.pretraining.base.recipe import BaseConfig, build_base
from course_lib.profile import Profile
from course_lib.sft.recipe import SFTConfig, build_sft
from course_lib.world import World
from course_lib.world.twins import Seen

STAGES = ("corpus", "tokenizer", "base", "sft", "aligned", "quantized")
MODELS = ("base", "sft", "aligned", "quantized")
PUBLISHED_MISSING = (
    "SmolLM2-135M-Instruct isn't on this machine: `course build published` fetches it (93 MB, once)"
)


@cache
def recipes(sizes: Profile | None = None, seed: int = 0) -> dict[str, Recipe]:
    """The six recipes under a profile (the present one by default). ``seed`` moves the models'."""
    p = sizes or profile.current()
    threads, where = runtime.training_threads(), {"device": runtime.device()}
    corpus = Recipe(
        name="corpus",
        build=build_corpus,
        config=CorpusConfig(
            people=p.people, documents=p.documents, held_out_documents=p.held_out_documents
        ),
    )
    tokenizer = Recipe(
        name="tokenizer",
        build=build_tokenizer,
        config=TokenizerConfig(vocab_size=p.vocab_size),
        parents=(corpus,),
    )
    base = Recipe(
        name="base",
        build=build_base,
        config=BaseConfig(
            model=p.model,
            seq_len=p.seq_len,
            steps=p.pretrain_steps,
            batch_size=p.pretrain_batch_size,
            lr=p.pretrain_lr,
            seed=seed,
        ),
        parents=(corpus, tokenizer),
        where=where,
        threads=threads,
    )
    sft = Recipe(
        name="sft",
        build=build_sft,
        config=SFTConfig(examples=p.sft_examples, steps=p.sft_steps, seed=seed),
        parents=(corpus, tokenizer, base),
        where=where,
        threads=threads,
    )
    aligned = Recipe(
        name="aligned",
        build=build_aligned,
        config=AlignedConfig(pairs=p.preference_pairs, grpo_steps=p.grpo_steps, seed=seed),
        parents=(corpus, tokenizer, sft),
        where=where,
        threads=threads,
    )
    quantized = Recipe(
        name="quantized",
        build=build_quantized,
        config=QuantizedConfig(),
        parents=(corpus, tokenizer, aligned),
        threads=threads,
    )
    return {r.name: r for r in (corpus, tokenizer, base, sft, aligned, quantized)}


def recipe(name: str) -> Recipe:
    """The recipe of a stage. Raises ValueError for a name that is none."""
    if name not in STAGES:
        raise ValueError(f"{name!r} is no stage of the lineage: expected {', '.join(STAGES)}")
    return recipes()[name]


def artifact_key(name: str) -> str:
    """The content hash that the stage has under the present profile and code.

    `published` has one too, which also says whether it is there: pages differ with it.
    """
    if name == "published":
        file, folder = published_recipes()
        return folder.key if artifacts.folder(file).is_dir() else "missing"
    return recipe(name).key


@cache
def artifact(name: str) -> Artifact:
    """The stage's artifact, checked; built now, with what it needs, where it is missing."""
    wanted = recipe(name)
    if artifacts.folder(wanted).is_dir():
        return artifacts.ensure(wanted)
    with tqdm(total=100, unit="%", desc=name, leave=False) as bar:

        def progress(fraction: float, text: str) -> None:
            bar.set_description(text)
            bar.n = round(100 * fraction)
            bar.refresh()

        return artifacts.ensure(wanted, progress)


@cache
def world() -> World:
    """The micro-world that the corpus was drawn from."""
    return read_world(artifact("corpus").path)


def corpus() -> Path:
    """The folder with train.jsonl, validation.jsonl and test.jsonl."""
    return artifact("corpus").path


@cache
def seen() -> Seen:
    """What the base model's training text holds of held-out questions, under other words."""
    records = read_documents(corpus(), "train")
    return Seen.of(world().village, (record["text"] for record in records))


@cache
def tokenizer() -> Tokenizer:
    """The course's tokenizer."""
    return Tokenizer.load(artifact("tokenizer").path / "tokenizer.json")


@cache
def published_recipes() -> tuple[Recipe, Recipe]:
    """The published model: the file as it was fetched, and the folder that is made of it."""
    file = Recipe(name="published_file", build=fetch_file, config=FileConfig())
    folder = Recipe(
        name="published", build=build_published, config=PublishedConfig(), parents=(file,)
    )
    return file, folder


def published() -> Path | None:
    """The folder of the published model; None where its file was never fetched.

    It asks nothing of the network: what our code makes of the file is made anew where it changed.
    """
    file, folder = published_recipes()
    return artifacts.ensure(folder).path if artifacts.folder(file).is_dir() else None


def published_file() -> Path | None:
    """The GGUF file that `published` is made of, or None."""
    found = artifacts.load(published_recipes()[0])
    return None if found is None else found.path / "model.gguf"


def model(name: str, seed: int = 0) -> Decoder:
    """A fresh copy of a stage's model, in evaluation mode, on the profile's device.

    ``seed`` other than 0 gives the same stage of a lineage whose models were trained anew.
    """
    if name not in MODELS:
        raise ValueError(f"{name!r} is no model stage: expected {', '.join(MODELS)}")
    path = artifacts.ensure(recipes(seed=seed)[name]).path if seed else artifact(name).path
    load = load_quantized if name == "quantized" else load_model
    return load(path).to(runtime.device()).eval()
