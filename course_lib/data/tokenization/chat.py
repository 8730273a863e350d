"""The chat format: how a conversation becomes one row of token ids.

    <|eos|><|user|> question<|end|><|assistant|> answer<|end|>

The roles are single special tokens that plain text can't produce. The space before each text
gives its first word the token it has in the middle of a sentence, where training saw it most.
"""

from typing import Protocol, runtime_checkable

SPECIAL_TOKENS = ("<|eos|>", "<|user|>", "<|assistant|>", "<|end|>")

CHAT_TEMPLATE = (
    "{{- '<|eos|>' -}}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{- '<|user|> ' + message['content'] + '<|end|>' -}}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{- '<|assistant|>' -}}"
    "{%- generation -%}{{- ' ' + message['content'] + '<|end|>' -}}{%- endgeneration -%}"
    "{%- else -%}{{- raise_exception('role must be user or assistant') -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)

Message = dict[str, str]


@runtime_checkable
class ChatTokenizer(Protocol):
    """What the format needs of a tokenizer; `data.tokenization.tokenizer.Tokenizer` has it."""

    eos_id: int
    user_id: int
    assistant_id: int
    end_id: int

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids) -> str: ...


class ChatFormat:
    """The format bound to one tokenizer."""

    def __init__(self, tok: ChatTokenizer):
        self.tok = tok

    def conversation(self, messages: list[Message]) -> tuple[list[int], list[bool]]:
        """Ids of the whole conversation, and for each id whether the assistant wrote it.

        The assistant writes its text and the `<|end|>` after it; `<|assistant|>` is part of the
        prompt. Training on the answer alone takes the loss where the mask is True.
        """
        ids, written = [self.tok.eos_id], [False]
        for message in messages:
            role = message["role"]
            if role not in ("user", "assistant"):
                raise ValueError(
                    f"role={role!r} is not 'user' or 'assistant'; "
                    "put instructions for the model into the first user message"
                )
            opening = self.tok.user_id if role == "user" else self.tok.assistant_id
            body = reply_ids(self.tok, message["content"])
            ids += [opening, *body]
            written += [False, *[role == "assistant"] * len(body)]
        return ids, written

    def prompt(self, messages: list[Message]) -> list[int]:
        return prompt_ids(self.tok, messages)

    def reply(self, text: str) -> list[int]:
        return reply_ids(self.tok, text)

    def text(self, ids: list[int]) -> str:
        return reply_text(self.tok, ids)


def prompt_ids(tok: ChatTokenizer, messages: list[Message]) -> list[int]:
    """Everything up to the place where the assistant begins to write."""
    ids, _ = ChatFormat(tok).conversation(messages)
    return [*ids, tok.assistant_id]


def reply_ids(tok: ChatTokenizer, text: str) -> list[int]:
    """What a speaker writes after the role token: a space, the text, `<|end|>`."""
    return [*tok.encode(" " + text), tok.end_id]


def reply_text(tok: ChatTokenizer, ids: list[int]) -> str:
    """The text of generated ids, up to the first `<|end|>`, without the leading space."""
    ids = list(ids)
    if tok.end_id in ids:
        ids = ids[: ids.index(tok.end_id)]
    return tok.decode(ids).removeprefix(" ")
