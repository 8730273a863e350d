"""`course eval`: what a model makes of your own text."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from course_lib.cli.output import console
from course_lib.cli.panels import OWN
from course_lib.cli.talk import Model


def add(app: typer.Typer) -> None:
    """Hang the command into the `course` command."""
    app.command(
        "eval", rich_help_panel=OWN, short_help="Bits a byte of your text by a model, beside xz."
    )(evaluate)


def evaluate(
    text: Annotated[Path, typer.Argument(help="a file or folder that it was not trained on")],
    model: Model = "base",
    characters: Annotated[int, typer.Option(help="how many are judged at most")] = 100_000,
    context: Annotated[int | None, typer.Option(help="tokens that it may look back")] = None,
):
    """Bits a byte of your text by a model, beside xz: models of any tokenizer compare."""
    from course_lib.cli.talk import opened
    from course_lib.data.sources.source import own_files
    from course_lib.evaluation.own_text import compression_of_texts, xz_bits_per_byte

    if characters < 1 or (context is not None and context < 2):
        raise ValueError(
            f"--characters {characters}, --context {context}: expected at least 1, and 2 or more"
        )
    texts, size = [], 0
    for record in own_files(text):
        texts.append(record.text[: characters - size])
        size += len(texts[-1])
        if size >= characters:
            break
    loaded, voice = opened(model)
    found = compression_of_texts(loaded, voice.text_prompt, texts, context=context)
    table = Table("bits a byte", "", title=f"{len(texts):,} texts, {found.bytes:,} bytes")
    table.add_row(f"{found.bits_per_byte:.3f}", f"{model}, {found.tokens:,} tokens")
    table.add_row(f"{xz_bits_per_byte(texts):.3f}", "xz")
    table.add_row("8.000", "bytes as they are")
    console.print(table)
