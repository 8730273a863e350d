"""`course chat` and `course serve`: a model in the terminal and behind an address."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_lib.cli.output import console
from course_lib.cli.panels import OWN

if TYPE_CHECKING:
    from course_lib.architecture.decoder import Decoder
    from course_lib.data.tokenization.voices import Voice


def add(app: typer.Typer) -> None:
    """Hang the commands into the `course` command."""
    app.command(rich_help_panel=OWN, short_help="Talk to a model in the terminal.")(chat)
    app.command(
        rich_help_panel=OWN, short_help="Serve a model as OpenAI-compatible clients want it."
    )(serve)


Build = Annotated[bool, typer.Option("--build", help="build the model first, if it isn't there")]
Model = Annotated[
    str, typer.Option(help="a stage, published, a run, a folder of transformers, or a .gguf")
]


def chat(model: Model = "course", build: Build = False):
    """Talk to a model in the terminal: the course's own, or any that you bring."""
    from course_lib.deployment.chat.terminal import EXAMPLES
    from course_lib.deployment.chat.terminal import chat as talk

    loaded, voice = opened(model, build)
    examples = EXAMPLES
    if model == "course":
        from course_lib import lineage

        kinds = ("fact", "sum", "where", "count")
        examples = tuple(
            q.prompt for q in lineage.world().questions("test", 4, seed=2, kinds=kinds)
        )
    talk(loaded, voice, examples=examples)


def serve(
    model: Model = "course",
    host: Annotated[str, typer.Option(help="0.0.0.0: to other machines, too")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="where to listen; 0: any free one")] = 8000,
    api_key: Annotated[
        str | None, typer.Option(envvar="COURSE_API_KEY", help="what a client must send")
    ] = None,
    build: Build = False,
):
    """Serve a model behind an OpenAI-compatible interface."""
    from course_lib.deployment.server import check_address
    from course_lib.deployment.server import serve as run

    check_address(host, port, api_key)
    loaded, voice = opened(model, build)
    run(loaded, voice, host=host, port=port, api_key=api_key)


def opened(where: str, build: bool = False) -> tuple["Decoder", "Voice"]:
    """A model and its voice, by a stage's name or by a path.

    Raises ValueError for what is neither, or isn't there.
    """
    from course_lib import lineage
    from course_lib.data.tokenization.voices import CourseVoice, PlainVoice
    from course_lib.deployment.chat.open_model import open_model, voice_of
    from course_lib.pretraining.real_run.trained import is_run, load_run, run_tokenizer

    stage = "quantized" if where == "course" else where
    if stage in lineage.MODELS:
        require_model(build)
        return lineage.model(stage), CourseVoice(lineage.tokenizer())
    folder: Path | None = Path(where)
    if where == "published":
        folder = lineage.published()
        if folder is None:
            raise ValueError(lineage.PUBLISHED_MISSING)
    if not where.strip() or not folder.exists():
        raise ValueError(
            f"--model {where!r}: no such path, expected course, {', '.join(lineage.MODELS)}, "
            "published, the folder of a run or of transformers, or a .gguf file"
        )
    if is_run(folder):
        return load_run(folder), PlainVoice(run_tokenizer(folder))
    model, tokenizer = open_model(folder)
    return model, voice_of(folder, tokenizer)


def require_model(build: bool) -> None:
    """Say what must be built before the model can talk; beyond the cpu profile, ask for it.

    Raises ValueError where stages are missing, unless ``build`` or the profile is cpu, whose model
    takes minutes.
    """
    from course_lib import artifacts, lineage, profile
    from course_lib.architecture.accounting.formulas import training_flops

    missing = [
        name for name in lineage.STAGES if not artifacts.folder(lineage.recipe(name)).is_dir()
    ]
    if not missing:
        return
    p = profile.current()
    tokens = p.pretrain_steps * p.pretrain_batch_size * p.seq_len
    flops = training_flops(p.model, p.seq_len, p.seq_len) / p.seq_len * tokens
    what = (
        f"profile {p.name}: {', '.join(missing)} not built yet; that is {p.documents:,} documents "
        f"and {p.pretrain_steps:,} steps of pretraining, {flops:.1e} FLOPs: {flops / 4e13:,.1f} "
        f"minutes of it at 667 GFLOP/s (two CPU cores), {flops / 2.4e16:,.1f} at 400 TFLOP/s (H100)"
    )
    if not build and p.name != "cpu":
        raise ValueError(f"{what}. Add --build, or first run: course build")
    console.print(f"{what}. Building:")
