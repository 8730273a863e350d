"""The ``course`` command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from course_lib.cli import grading

app = typer.Typer(help="Build and use the course's model.", no_args_is_help=True)
console = Console()
grading.add(app)


def _fail(error: Exception) -> typer.Exit:
    console.print(f"[red]{error}[/red]", markup=True, highlight=False)
    return typer.Exit(2)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=console,
    )


@app.command()
def build(name: Annotated[str, typer.Argument(help="a stage of the lineage, or all")] = "all"):
    """Build a stage of the lineage and all that it needs; what is there already is kept."""
    from course_lib import artifacts, lineage

    try:
        wanted = lineage.STAGES if name == "all" else (lineage.recipe(name).name,)
    except ValueError as error:
        raise _fail(error) from error
    with _bar() as bar:
        for stage in wanted:
            task = bar.add_task(stage, total=1.0)

            def progress(fraction: float, text: str, task=task) -> None:
                bar.update(task, completed=fraction, description=text)
                if not console.is_terminal:
                    console.print(f"{text} ({fraction:.0%})")

            done = artifacts.ensure(lineage.recipe(stage), progress)
            text = f"{stage}: {done.manifest['wall_seconds']:.0f} s to build"
            bar.update(task, completed=1.0, description=text)


@app.command(name="artifacts")
def list_artifacts():
    """What exists: size, time, figures and parents of each stage."""
    from course_lib import artifacts, lineage

    table = Table("stage", "key", "MB", "built in", "parents", "figures")
    for name in lineage.STAGES:
        wanted = lineage.recipe(name)
        try:
            found = artifacts.load(wanted)
        except artifacts.Damaged as damage:
            table.add_row(name, wanted.key[:8], "damaged", "", "", str(damage))
            continue
        if found is None:
            table.add_row(name, wanted.key[:8], "not built", "", "", f"course build {name}")
            continue
        figures = ", ".join(f"{key} {value:.4g}" for key, value in found.figures.items())
        parents = ", ".join(found.manifest["parents"])
        seconds = f"{found.manifest['wall_seconds']:.0f} s"
        size = f"{found.bytes / 2**20:.1f}"
        table.add_row(name, wanted.key[:8], size, seconds, parents, figures)
    console.print(table)


@app.command()
def experiment(
    name: Annotated[str | None, typer.Argument(help="as scaling/finite_facts")] = None,
    stale: Annotated[bool, typer.Option(help="list those whose code has changed")] = False,
):
    """Run a recorded experiment; without a name, list them."""
    from course_lib import experiments

    if stale or name is None:
        for line in experiments.stale() if stale else experiments.names():
            console.print(line)
        return
    try:
        with _bar() as bar:
            task = bar.add_task(name, total=1.0)
            record = experiments.run(
                name,
                lambda fraction, text: bar.update(task, completed=fraction, description=text),
            )
    except ValueError as error:
        raise _fail(error) from error
    console.print(f"{experiments.path_of(name)}: {record['core_seconds']:.0f} core-seconds")


@app.command(context_settings={"ignore_unknown_options": True})
def pretrain(
    out: Annotated[Path, typer.Option(help="the run's folder; the same one again goes on")],
    tokens: Annotated[
        Path | None, typer.Option(help="shards of token ids; the course's own corpus if left out")
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(help="--profile, --steps, --rows, --lr, --spike, …")
    ] = None,
):
    """Train a model in a folder of its own, through kills, full disks and bad numbers.

    The other options are those of `python -m course_lib.pretraining.real_run.run --help`,
    which torchrun starts on many ranks.
    """
    from course_lib.pretraining.real_run.run import main

    tokens = tokens or _own_tokens(out / "tokens")
    raise typer.Exit(main(["--out", str(out), "--tokens", str(tokens), *(more or [])]))


def _own_tokens(folder: Path) -> Path:
    """The world's corpus as shards, written once."""
    from course_lib import lineage
    from course_lib.data.mixing.corpus import corpus_tokens

    if not (folder / "index.json").exists():
        corpus_tokens(lineage.corpus(), "train", lineage.tokenizer(), folder)
    return folder


@app.command()
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

    try:
        if device not in HARDWARE and not device.replace(".", "", 1).isdigit():
            raise ValueError(f"device {device!r}: expected {', '.join(HARDWARE)}, or gigabytes")
        memory = HARDWARE[device].memory if device in HARDWARE else float(device) * 1e9
        wanted = Setting(batch=batch, seq=seq)
        ladder = advise(published(model).sizes, memory, wanted, devices=devices)
    except ValueError as error:
        raise _fail(error) from error
    table = Table("remedy", "batch", "tokens", "devices", "GB needed", "", "what it costs you")
    for rung in ladder:
        at, mark = rung.setting, "[green]fits[/green]" if rung.fits else "[red]no[/red]"
        sizes = (f"{at.batch}", f"{at.seq}", f"{at.shards}", f"{rung.need.total / 1e9:.1f}")
        table.add_row(rung.remedy, *sizes, mark, rung.why)
    console.print(table)
    parts = vars(ladder[-1].need).items()
    console.print(", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in parts))
    if not ladder[-1].fits:
        raise typer.Exit(1)


@app.command()
def doctor():
    """What is on this machine, what is missing, and the command that mends it."""
    from course_lib.cli.doctor import doctor as examine

    findings = examine()
    table = Table("", "what", "found", "remedy")
    for finding in findings:
        mark = "[green]ok[/green]" if finding.ok else "[red]no[/red]"
        table.add_row(mark, finding.what, finding.found, finding.remedy)
    console.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def progress(
    chapter: Annotated[str | None, typer.Argument(help="as sft: its exercises")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="forget what was tried")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="don't ask before forgetting")] = False,
):
    """Which exercises you have done, tried and not begun, and the points so far."""
    from course_lib.cli import progress as learning

    try:
        if reset:
            learning.standings({}, chapter)  # a wrong name is said before anything is asked
            if not yes:
                typer.confirm(f"Forget what was tried in {chapter or 'all chapters'}?", abort=True)
            console.print(f"{learning.reset(chapter)} exercises forgotten")
            return
        learning.show(console, chapter)
    except (ValueError, OSError) as error:
        raise _fail(error) from error


@app.command()
def chat():
    """Talk to the course's model in the terminal."""
    from course_lib import lineage
    from course_lib.deployment.terminal import chat as talk

    kinds = ("fact", "sum", "where", "count")
    examples = tuple(q.prompt for q in lineage.world().questions("test", 4, seed=2, kinds=kinds))
    talk(lineage.artifact("quantized").path, lineage.tokenizer(), examples=examples)


@app.command()
def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: Annotated[str | None, typer.Option(envvar="COURSE_API_KEY")] = None,
):
    """Serve the course's model behind an OpenAI-compatible interface."""
    from course_lib import lineage
    from course_lib.deployment.server import serve as run

    run(
        Path(lineage.artifact("quantized").path),
        lineage.tokenizer(),
        host=host,
        port=port,
        api_key=api_key,
    )


if __name__ == "__main__":
    app()
