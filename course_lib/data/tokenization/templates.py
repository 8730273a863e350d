"""Chat templates of published models: Jinja that renders a conversation, as `transformers` does.

    {% for message in messages %}<|im_start|>{{ message['role'] }} …<|im_end|>{% endfor %}

A template comes with a model and is a program, so it runs in Jinja's sandbox, where it can change
nothing and reach nothing but what it is given. What stands between `{% generation %}` and
`{% endgeneration %}` is what the assistant wrote: the loss of fine-tuning is taken there.
"""

import json
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from course_lib.data.tokenization.byte_level import ByteLevelBPE

Messages = list[dict[str, Any]]
# What a template's program may fail with while it renders.
FAILURES = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
GUARD = "\ue002"
BEGIN, END = "\ue000\ue001\ue000", "\ue001\ue000\ue001"  # private characters no text should hold


class ChatTemplate:
    """One model's template, bound to its tokenizer.

    settings: what the template may ask for by name, such as bos_token.
    """

    def __init__(self, template: str | None, tokenizer: ByteLevelBPE, **settings: Any):
        if template is None:
            raise ValueError("the model has no chat template, expected Jinja in a string")
        self.tokenizer = tokenizer
        self.settings = {"tools": None, "documents": None} | settings
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {
            "raise_exception": _refuse,
            "strftime_now": lambda form: datetime.now().strftime(form),
            "namespace": _Namespace,
        }
        try:
            self._template = environment.from_string(template)
        except jinja2.TemplateError as error:
            raise ValueError(f"chat template: {error}") from error
        self.marks_replies = environment.extensions[_Generation.identifier].seen

    def text(self, messages: Messages, *, add_generation_prompt: bool = False) -> str:
        """The conversation as the model reads it. ValueError: what the template refuses."""
        return self._rendered(messages, add_generation_prompt).replace(BEGIN, "").replace(END, "")

    def ids(self, messages: Messages, *, add_generation_prompt: bool = False) -> list[int]:
        """Its ids. A special token that a user spelled out is one here, as in `transformers`."""
        text = self.text(messages, add_generation_prompt=add_generation_prompt)
        return self.tokenizer.encode(text, specials=True)

    def prompt(self, messages: Messages) -> list[int]:
        """Ids up to where the assistant begins to write; no message forges a special token.

        Inside a message `<|im_end|>` stays ten characters: it is broken by a mark before rendering,
        and mended before encoding. Deviation from `ids`, and `transformers`: that.
        """
        broken = [_without_specials(message, self.tokenizer) for message in messages]
        ids: list[int] = []
        text = self.text(broken, add_generation_prompt=True)
        for part, special in self.tokenizer.parts(text, specials=True):
            plain = self.tokenizer.encode(part.replace(GUARD, ""))
            ids += plain if special is None else [special]
        return ids

    def conversation(self, messages: Messages) -> tuple[list[int], list[bool]]:
        """Ids, and for each whether the assistant wrote it.

        Raises ValueError where the template doesn't say, or where the file lacks a byte of the
        text, so that places can't be counted.
        """
        if not self.marks_replies:
            raise ValueError(
                "the chat template has no {% generation %} around the reply: expected one"
            )
        text, spans = _spans(self._rendered(messages, False))
        ids = self.tokenizer.encode(text, specials=True)
        data = text.encode()
        if self.tokenizer.decode_bytes(ids, specials=True) != data:
            raise ValueError(
                "the tokenizer's ids don't give the text back: no place can be counted"
            )
        written, at = [], 0
        wanted = [(len(text[:a].encode()), len(text[:b].encode())) for a, b in spans]
        for token in ids:
            end = at + len(self.tokenizer.tokens[token])
            written.append(any(a < end and at < b for a, b in wanted))
            at = end
        return ids, written

    def _rendered(self, messages: Messages, add_generation_prompt: bool) -> str:
        plain = _plain(messages)
        try:
            return self._template.render(
                messages=plain,
                add_generation_prompt=add_generation_prompt,
                **self.settings,
            )
        except FAILURES as error:
            raise ValueError(f"chat template: {error}") from error


class _Namespace(jinja2.utils.Namespace):
    """Jinja's own, but for names that begin with an underscore: those lead into Python."""

    def __init__(*arguments: Any, **values: Any) -> None:
        self, *others = arguments
        jinja2.utils.Namespace.__init__(self)
        for name, value in dict(*others, **values).items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f"a template may not store {name!r}")
        super().__setitem__(name, value)


class _Generation(Extension):
    """`{% generation %}`: marks before and after what the block renders."""

    tags = {"generation"}
    seen = False

    def parse(self, parser) -> nodes.CallBlock:
        self.seen = True
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_marked"), [], [], body).set_lineno(line)

    def _marked(self, caller) -> str:
        return BEGIN + caller() + END


def _plain(messages: Messages) -> Messages:
    """The messages as JSON has them, so that a template finds nothing to call or to change."""
    for message in messages:
        if any(mark in str(message.get("content")) for mark in (BEGIN, END)):
            raise ValueError("a message holds the characters U+E000 U+E001: expected text")
    try:
        return json.loads(json.dumps(messages))
    except TypeError as error:
        raise ValueError(f"messages: {error}, expected texts, numbers, lists, dicts") from error


def _without_specials(message: dict[str, Any], tokenizer: ByteLevelBPE) -> dict[str, Any]:
    """The message with a mark inside every special token that its text spells."""
    content = message["content"]
    for special in tokenizer.specials.values():
        content = content.replace(special, special[:1] + GUARD + special[1:])
    return {**message, "content": content}


def _spans(rendered: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and from where to where each reply goes."""
    text, spans = "", []
    first, *replies = rendered.split(BEGIN)
    text += first
    for reply in replies:
        inside, _, after = reply.partition(END)
        spans.append((len(text), len(text) + len(inside)))
        text += inside + after
    return text, spans


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **other) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **other)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)
