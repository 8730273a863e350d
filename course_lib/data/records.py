"""A record: one document of any source, with what is known about where it comes from."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    """A document. `nats` is its exact surprisal where the source knows it (the world does).

    `fields` keeps what a source has beyond text: the messages of a chat, a preference pair's two
    answers, the reference answer of a problem.
    """

    id: str
    text: str
    source: str
    licence: str
    kind: str = ""
    nats: float | None = None
    fields: dict = field(default_factory=dict, compare=False)
