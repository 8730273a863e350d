"""The objects that answers are made of, as OpenAI's clients read them: whole, and in chunks."""

import time
import uuid
from dataclasses import dataclass
from typing import Any


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


@dataclass(frozen=True)
class Envelope:
    """Builds the objects of one answer, which all share an id, a time and the model's name."""

    model: str
    chat: bool
    id: str
    created: int

    @classmethod
    def new(cls, model: str, *, chat: bool) -> "Envelope":
        prefix = "chatcmpl" if chat else "cmpl"
        return cls(model, chat, f"{prefix}-{uuid.uuid4().hex[:24]}", int(time.time()))

    def whole(self, text: str, finish: str, tokens: dict[str, int]) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        content = {"message": message} if self.chat else {"text": text}
        return self._wrap(content, finish, chunk=False) | {"usage": tokens}

    def chunk(self, text: str | None, finish: str | None, *, first: bool = False) -> dict[str, Any]:
        if not self.chat:
            return self._wrap({"text": text or ""}, finish, chunk=True)
        delta: dict[str, Any] = {"role": "assistant"} if first else {}
        if text is not None:
            delta["content"] = text
        return self._wrap({"delta": delta}, finish, chunk=True)

    def usage_chunk(self, tokens: dict[str, int]) -> dict[str, Any]:
        return self._wrap(None, None, chunk=True) | {"usage": tokens}

    def _wrap(self, content: dict | None, finish: str | None, *, chunk: bool) -> dict[str, Any]:
        kind = "chat.completion" if self.chat else "text_completion"
        choice = {"index": 0, "logprobs": None, "finish_reason": finish}
        return {
            "id": self.id,
            "object": f"{kind}.chunk" if chunk and self.chat else kind,
            "created": self.created,
            "model": self.model,
            "choices": [] if content is None else [choice | content],
        }
