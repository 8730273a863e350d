"""`course tokens`, `pretrain`, `plan`: your text, a model of it, and what of one fits a device."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from course_lib.cli.output import console, mark
from course_lib.cli.panels import OWN
from course_lib.pretraining.real_run.run import Command


def add(app: typer.Typer) -> None:
    """Hang the commands into the `course` command."""
    app.command(
        rich_help_panel=OWN, short_help="Files to cleaned, deduplicated, tokenized shards."
    )(tokens)
    app.command(rich_help_panel=OWN, short_help="Train on shards, through kills and full disks.")(
        Command(own_tokens).pretrain
    )
    app.command(
        rich_help_panel=OWN, short_help="Will a training step fit a device? If not, what helps."
    )(plan)


def own_tokens(folder: Path) -> Path:
    """The world's corpus as shards, written once."""
    from course_lib import lineage
    from course_lib.data.mixing.corpus import corpus_tokens

    if not (folder / "index.json").exists():
        corpus_tokens(lineage.corpus(), "train", lineage.tokenizer(), folder)
        lineage.tokenizer().save(folder / "tokenizer.json")
    return folder


def tokens(
    text: Annotated[Path, typer.Argument(help="a file or folder: txt, md, jsonl, parquet, warc")],
    out: Annotated[Path, typer.Option(help="where shards, tokenizer and account go")],
    vocab_size: Annotated[int | None, typer.Option(help="instead of the profile's")] = None,
    judge: Annotated[bool, typer.Option(help="drop what isn't like English prose")] = False,
):
    """Clean and deduplicate your own text, learn its tokenizer, and write what pretrain reads."""
    from course_lib import profile
    from course_lib.data.pipeline import RULES, prepare_text

    wanted = vocab_size if vocab_size is not None else profile.current().vocab_size
    shards = prepare_text(text, out, wanted, rules=RULES if judge else None)
    counts = f"{len(shards):,} documents, {shards.lengths.sum():,} tokens"
    console.print(f"{counts}; a vocabulary of {shards.vocab_size:,}")
    console.print(
        f"{out}/account.json says what was dropped; train: course pretrain --tokens {out}"
    )


def plan(
    model: Annotated[str, typer.Argument(help="a published model, as 'Llama 3 8B'")],
    device: Annotated[str, typer.Option(help="T4, L4, A100, H100, H200, or gigabytes")] = "A100",
    batch: Annotated[int, typer.Option(help="rows a step on one device")] = 8,
    seq: Annotated[int, typer.Option(help="tokens in a row")] = 2048,
    devices: Annotated[int, typer.Option(help="how many there are to share")] = 8,
):
    """Will a training step fit? If not: batch, checkpointing, sharding, LoRA, length, in order."""
    from course_lib.architecture.accounting.published import published
    from course_lib.pretraining.memory.adviser import Setting, advise
    from course_lib.scaling.planning.plan import HARDWARE

    if device not in HARDWARE and not device.replace(".", "", 1).isdigit():
        raise ValueError(f"device {device!r}: expected {', '.join(HARDWARE)}, or gigabytes")
    memory = HARDWARE[device].memory if device in HARDWARE else float(device) * 1e9
    ladder = advise(published(model).sizes, memory, Setting(batch=batch, seq=seq), devices=devices)
    table = Table("remedy", "batch", "tokens", "devices", "GB needed", "", "what it costs you")
    for rung in ladder:
        at = rung.setting
        sizes = (f"{at.batch}", f"{at.seq}", f"{at.shards}", f"{rung.need.total / 1e9:.1f}")
        table.add_row(rung.remedy, *sizes, mark(rung.fits, "fits"), rung.why)
    console.print(table)
    parts = vars(ladder[-1].need).items()
    console.print(", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in parts))
    if not ladder[-1].fits:
        raise typer.Exit(1)
