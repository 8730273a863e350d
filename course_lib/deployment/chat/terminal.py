"""Talk to the course's model in a terminal, or feed it questions through a pipe.

course chat
printf 'Hello!\\nWhat is 3 plus 4?\\n' | course chat
"""

import sys
from io import TextIOBase

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from course_lib.architecture.decoder import Decoder
from course_lib.data.tokenization.voices import Voice
from course_lib.deployment.engine import Engine, Sampling

WELCOME = """\
This model was trained from nothing in this course, on stories about one small made-up \
village. It knows who lives where, works as what, eats, keeps and wears what; it follows \
people and things from room to room; it counts and does sums up to about twenty. It knows \
nothing else: no world outside the village and no other language. It forgets each question \
once it has answered it.

[bold]Try[/bold]
{examples}

[bold]Commands[/bold]  /again (another answer, sampled)  /help  /quit"""

EXAMPLES = (
    "What is 13 minus 5?",
    "Peben has 7 nuts. Jamir brings 5 more. Petam takes 3 away. How many nuts does Peben have?",
)
PLAIN = Sampling(max_tokens=256)
WARM = Sampling(max_tokens=256, temperature=0.8)


def chat(
    model: Decoder,
    voice: Voice,
    *,
    examples: tuple[str, ...] = EXAMPLES,
    source: TextIOBase | None = None,
    console: Console | None = None,
) -> None:
    """Answer each line of `source` (standard input) until it ends or says /quit.

    With a terminal at the other end there is a welcome, a prompt and colours; with a pipe there
    is one answer a line and nothing else, so that other programs can use it.
    """
    source = source or sys.stdin
    console = console or Console(highlight=False)
    engine = Engine(model, voice)
    talking = source.isatty()
    if talking:
        _welcome(console, examples)
    last = ""
    while (line := _next_line(console, source, talking)) is not None:
        if line == "/quit":
            return
        if line == "/help":
            _welcome(console, examples)
        elif line == "/again" and last:
            _answer(console, engine, last, WARM)
        elif line.startswith("/"):
            name = escape(line.encode("utf-8", "backslashreplace").decode())
            console.print(f"There is no command {name} here now; /help lists them.")
        elif line:
            last = line
            _answer(console, engine, line, PLAIN)


def _welcome(console: Console, examples: tuple[str, ...]) -> None:
    lines = "\n".join(f"  {escape(example)}" for example in examples)
    text = WELCOME.format(examples=lines)
    console.print(Panel(text, title="the village guide", width=min(78, console.width)))


def _next_line(console: Console, source: TextIOBase, talking: bool) -> str | None:
    """One stripped line; None at the end of the input or at Ctrl-C."""
    if talking:
        console.print("[bold cyan]you ›[/bold cyan] ", end="")
    try:
        line = source.readline()
    except KeyboardInterrupt:
        line = ""
    if not line:
        if talking:
            console.print()
        return None
    return line.strip()


def _answer(console: Console, engine: Engine, question: str, sampling: Sampling) -> None:
    """Print the answer as it is written. What can't be read is refused in words."""
    try:
        prompt = engine.chat_prompt([{"role": "user", "content": question}])
    except UnicodeEncodeError as error:  # a terminal that speaks another code than it says
        console.print(f"Character {error.start + 1} of this line is no text; send UTF-8.")
        return
    if len(prompt) >= engine.max_seq:
        most = engine.max_seq - 1
        console.print(f"That is {len(prompt)} tokens; this model reads {most} at most.")
        return
    if not console.is_terminal:  # one line an answer, whatever the model writes
        console.file.write(" ".join(engine.answer(prompt, sampling).split()) + "\n")
        return
    console.print("[bold green]guide ›[/bold green] ", end="")
    for piece in engine.pieces(prompt, sampling):
        console.print(escape(piece.text), end="", soft_wrap=True)
    console.print()
