"""How a conversation becomes ids, and ids text again: what an engine asks of a model's tokenizer.

The course's own models speak the course's chat format; a published one brings a template.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.chat import prompt_ids
from course_lib.data.tokenization.templates import ChatTemplate, Messages
from course_lib.data.tokenization.tokenizer import Tokenizer


@runtime_checkable
class Voice(Protocol):
    """ends: ids that end a reply. lead: what the format puts before a reply, no part of it."""

    ends: tuple[int, ...]
    lead: str

    def chat_prompt(self, messages: Messages) -> list[int]: ...

    def text_prompt(self, text: str) -> list[int]: ...

    def decode(self, ids: Iterable[int]) -> str: ...

    def save(self, folder: Path) -> None: ...


class CourseVoice:
    """Our tokenizer and our chat format."""

    lead = " "

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.ends = (tokenizer.end_id, tokenizer.eos_id)

    def chat_prompt(self, messages: Messages) -> list[int]:
        """Up to where the assistant begins to write."""
        return prompt_ids(self.tokenizer, messages)

    def text_prompt(self, text: str) -> list[int]:
        """A document's beginning."""
        return [self.tokenizer.eos_id, *self.tokenizer.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """Their text, without special tokens."""
        return self.tokenizer.decode(ids)

    def save(self, folder: Path) -> None:
        """Its files, as `transformers` reads them."""
        self.tokenizer.to_transformers().save_pretrained(folder)


class PlainVoice(CourseVoice):
    """Of a model that was only pretrained: it was never taught to answer, so it goes on."""

    lead = ""

    def chat_prompt(self, messages: Messages) -> list[int]:
        """The last message, as a document's beginning."""
        return self.text_prompt(messages[-1]["content"])


class PublishedVoice:
    """A published tokenizer with the template that came with it; without one it only continues."""

    lead = ""

    def __init__(
        self,
        tokenizer: ByteLevelBPE,
        template: ChatTemplate | None,
        ends: tuple[int, ...],
        files: Mapping[str, str],
    ):
        self.tokenizer, self.template, self.ends, self.files = tokenizer, template, ends, files

    def chat_prompt(self, messages: Messages) -> list[int]:
        """Raises ValueError where the model has no template, or the template refuses."""
        if self.template is None:
            raise ValueError(f"{self.tokenizer.name} came without a chat template: it can't chat")
        return self.template.prompt(messages)

    def text_prompt(self, text: str) -> list[int]:
        """The text, after the token that begins or ends a document where there is one."""
        return [*self.ends[-1:], *self.tokenizer.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """Their text, without special tokens."""
        return self.tokenizer.decode(ids)

    def save(self, folder: Path) -> None:
        """Its files, as they came."""
        for name, content in self.files.items():
            (folder / name).write_text(content, encoding="utf-8")
