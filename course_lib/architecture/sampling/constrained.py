"""Constrained decoding: which tokens keep a text inside a language, and can still finish it.

A grammar speaks of bytes, a model of tokens of several bytes each. The vocabulary becomes a tree of
bytes, and one walk through tree and grammar together finds every token that stays inside. The
result is kept by state, since a text comes back to the same states again and again (Willard and
Louf 2023).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.architecture.sampling.grammar import NOTHING, Language


@dataclass
class _Branch:
    """A node of the tree: the tokens that end here, and the ways on, by byte."""

    tokens: list[int] = field(default_factory=list)
    ways: dict[int, "_Branch"] = field(default_factory=dict)


class TokenMasks:
    """For each state of a language: how many tokens it takes to finish after each next token.

    token_bytes: the bytes of every token, in the order of the ids. never: ids that are no text
    (special tokens). Every byte must be a token by itself, as in byte-level BPE: then any text of n
    bytes takes at most n tokens, and a text that fits can always be finished.
    """

    def __init__(
        self, token_bytes: Sequence[bytes], *, eos_id: int, never: Collection[int] = ()
    ) -> None:
        self.token_bytes, self.eos_id = list(token_bytes), eos_id
        self._needs: dict[Language, Tensor] = {}
        self._tree = _Branch()
        for i, raw in enumerate(self.token_bytes):
            if i != eos_id and i not in never and raw:
                branch = self._tree
                for byte in raw:
                    branch = branch.ways.setdefault(byte, _Branch())
                branch.tokens.append(i)
        lacking = [b for b in range(256) if not self._tree.ways.get(b, _Branch()).tokens]
        if lacking:
            raise ValueError(
                f"{len(lacking)} bytes are no token by themselves, the first is {lacking[0]:#04x}; "
                "expected a byte-level vocabulary"
            )

    def needs(self, state: Language) -> Float[Tensor, " vocab"]:
        """Tokens to write from here, by next token: itself, the rest, the end. Inf: forbidden."""
        if state not in self._needs:
            needs = torch.full((len(self.token_bytes),), float("inf"))
            self._walk(self._tree, state, needs)
            if state.nullable:
                needs[self.eos_id] = 1.0
            self._needs[state] = needs
        return self._needs[state]

    def _walk(self, branch: _Branch, state: Language, needs: Tensor) -> None:
        for byte, further in branch.ways.items():
            after = state.after(byte)
            if after is not NOTHING:
                needs[further.tokens] = 2.0 + after.shortest
                self._walk(further, after, needs)


class GrammarConstraint:
    """One text on its way through a language: a `generate.Constraint`.

    What `generate` writes under it is always a whole text of the language, whatever the model says
    and however few tokens there are: a token is allowed only if the text can be finished after it
    within the tokens left. Where even the shortest text doesn't fit, a ValueError says so.
    """

    def __init__(self, masks: TokenMasks, language: Language) -> None:
        if language is NOTHING:
            raise ValueError("the language is empty: no text can be written")
        self.masks, self.state, self.ended = masks, language, False

    def allowed(self, tokens_left: int) -> Bool[Tensor, " vocab"]:
        """True for the tokens after which the text can be finished with what is left."""
        if self.ended:
            raise ValueError("the text has ended: expected no further token")
        mask = self.masks.needs(self.state) <= tokens_left
        if not bool(mask.any()):
            raise ValueError(
                f"{tokens_left} tokens are left, expected at least {self.state.shortest + 1}: the "
                "shortest rest of the text, a byte a token, and its end"
            )
        return mask

    def advance(self, token: int) -> None:
        """Go on by a token. Raises ValueError for one that leaves the language."""
        if token == self.masks.eos_id and self.state.nullable:
            self.ended = True
            return
        after = self.state.reading(self.masks.token_bytes[token])
        if after is NOTHING or token == self.masks.eos_id:
            written = self.masks.token_bytes[token]
            raise ValueError(f"token {token} ({written!r}) is not allowed here")
        self.state = after
