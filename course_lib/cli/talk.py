"""`course chat` and `course serve`: the course's model, in the terminal and behind an address."""

from typing import Annotated

import typer


def add(app: typer.Typer) -> None:
    """Hang the commands into the `course` command."""
    app.command()(chat)
    app.command()(serve)


def chat():
    """Talk to the course's model in the terminal."""
    from course_lib import lineage
    from course_lib.deployment.terminal import chat as talk

    kinds = ("fact", "sum", "where", "count")
    examples = tuple(q.prompt for q in lineage.world().questions("test", 4, seed=2, kinds=kinds))
    talk(lineage.model("quantized"), lineage.tokenizer(), examples=examples)


def serve(
    host: Annotated[str, typer.Option(help="0.0.0.0: to other machines, too")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="where to listen; 0: any free one")] = 8000,
    api_key: Annotated[
        str | None, typer.Option(envvar="COURSE_API_KEY", help="what a client must send")
    ] = None,
):
    """Serve the course's model behind an OpenAI-compatible interface."""
    from course_lib import lineage
    from course_lib.deployment.server import check_address
    from course_lib.deployment.server import serve as run

    check_address(host, port, api_key)  # before minutes of building
    model, tokenizer = lineage.model("quantized"), lineage.tokenizer()
    run(model, tokenizer, host=host, port=port, api_key=api_key)
