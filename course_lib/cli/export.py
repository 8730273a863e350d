"""`course export`: a model as others read it."""

from pathlib import Path
from typing import Annotated

import typer

from course_lib.cli.output import console
from course_lib.cli.panels import OWN

FORMATS = ("hf",)


def add(app: typer.Typer) -> None:
    """Hang the command into the `course` command."""
    app.command(rich_help_panel=OWN, short_help="Write a model as transformers loads it.")(export)


def export(
    out: Annotated[Path, typer.Argument(help="the folder to write; it must not be there")],
    model: Annotated[str, typer.Option(help="a stage, published, a run, a folder, or a .gguf")],
    format: Annotated[str, typer.Option(help="hf: what transformers loads")] = "hf",
):
    """Write a model as others load it, with its tokenizer."""
    import torch

    from course_lib.architecture.families.interop import to_transformers
    from course_lib.cli.talk import opened

    if format not in FORMATS:
        raise ValueError(f"--format {format!r}: expected {' or '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already: expected a new folder")
    loaded, voice = opened(model)
    theirs = to_transformers(loaded, eos_id=voice.ends[-1] if voice.ends else None)
    theirs.save_pretrained(out)
    voice.save(out)
    with torch.no_grad():
        weights = sum(weight.numel() for weight in theirs.parameters())
    console.print(f"{out}: {type(theirs).__name__}, {weights:,} weights", highlight=False)
    console.print(f"load it: AutoModelForCausalLM.from_pretrained({str(out)!r})", highlight=False)
