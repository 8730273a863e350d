"""From a prompt to pieces of text, as a stream: what stands between the server and the model.

One token is not one piece of text. A token can end in the middle of a character (its bytes are
held back until the character is whole), and in the middle of a stop string (its text is held
back until the stop string is complete or can no longer be).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.filters import Filters
from course_lib.architecture.sampling.generate import stream
from course_lib.data.tokenization.templates import Messages
from course_lib.data.tokenization.voices import Voice
from course_lib.deployment.kv_cache import StaticCache


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to write one answer."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stops: tuple[str, ...] = ()
    chat: bool = True


@dataclass(frozen=True)
class Piece:
    """The next stretch of text, with the tokens written so far; `finish` is set on the last."""

    text: str
    tokens: int
    finish: str | None = None


@dataclass
class TextBuffer:
    """Turns tokens into text that is safe to show, and watches for stop strings."""

    voice: Voice
    stops: tuple[str, ...] = ()
    lead: str = ""  # the chat format puts one space before a reply, which is no part of the text
    ids: list[int] = field(default_factory=list)
    shown: int = 0
    stopped: bool = False

    def push(self, token: int) -> str:
        """Take one token and return the text that can be shown because of it, perhaps none."""
        self.ids.append(token)
        text = self._text()
        ends = [text.index(stop) for stop in self.stops if stop in text]
        if ends:
            self.stopped = True
            return self._show(text, min(ends))
        # hold back a broken character, and any tail that may grow into a stop string
        whole = text.rstrip("\ufffd")
        held = max((_overlap(whole, stop) for stop in self.stops), default=0)
        return self._show(whole, len(whole) - held)

    def rest(self) -> str:
        """Whatever was held back when the model ended by itself."""
        text = self._text()
        return "" if self.stopped else self._show(text, len(text))

    def _text(self) -> str:
        return self.voice.decode(self.ids).removeprefix(self.lead)

    def _show(self, text: str, end: int) -> str:
        new = text[self.shown : end]
        self.shown = max(self.shown, end)
        return new


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


class Engine:
    """A model and its voice, ready to answer; holds no state of any request."""

    def __init__(self, model: Decoder, voice: Voice) -> None:
        self.model, self.voice = model.eval(), voice
        self.max_seq = model.config.max_seq

    def chat_prompt(self, messages: Messages) -> list[int]:
        """A conversation, up to where the assistant begins to write."""
        return self.voice.chat_prompt(messages)

    def text_prompt(self, text: str) -> list[int]:
        """A text to go on with."""
        return self.voice.text_prompt(text)

    def tokens(self, prompt: list[int], sampling: Sampling) -> Iterator[int]:
        """Tokens one by one, an end token included; the prompt is read in one forward pass."""
        room = self.max_seq - len(prompt)
        if room < 1:
            raise ValueError(f"the prompt has {len(prompt)} tokens; {self.max_seq - 1} fit")
        device = self.model.device
        generator = torch.Generator(device)
        generator.seed() if sampling.seed is None else generator.manual_seed(sampling.seed)
        length = min(sampling.max_tokens, room)
        cache = StaticCache.of(
            self.model.config,
            capacity=len(prompt) + length,
            device=device,
            dtype=self.model.norm.weight.dtype,
        )
        steps = stream(
            self.model,
            [prompt],
            max_new_tokens=length,
            stop_ids=self.voice.ends,
            filters=Filters(temperature=sampling.temperature, top_p=sampling.top_p),
            generator=generator,
            cache=cache,
        )
        for [(_, token)] in steps:
            yield token

    def pieces(self, prompt: list[int], sampling: Sampling) -> Iterator[Piece]:
        """Text as it becomes safe to show; the last piece says why the answer ended."""
        buffer = TextBuffer(
            self.voice, sampling.stops, lead=self.voice.lead if sampling.chat else ""
        )
        count = 0
        for token in self.tokens(prompt, sampling):
            count += 1
            if token in self.voice.ends:
                yield Piece(buffer.rest(), count, "stop")
                return
            text = buffer.push(token)
            if buffer.stopped:
                yield Piece(text, count, "stop")
                return
            yield Piece(text, count)
        yield Piece(buffer.rest(), count, "length")

    def answer(self, prompt: list[int], sampling: Sampling) -> str:
        """The whole text at once."""
        return "".join(piece.text for piece in self.pieces(prompt, sampling))
