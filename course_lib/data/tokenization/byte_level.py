"""A published tokenizer in our code: any `tokenizer.json` with byte-level BPE, id for id.

GPT-2's, Llama 3's, Qwen's and SmolLM2's files are of this kind: text is cut (`cutters`), a cut
piece becomes bytes, and bytes become ids by a list of merges. What a file asks for beyond that is
refused by name. Deviations of ours from `tokenizers`: special tokens inside a text are only read
as such where that is asked for; and `regex` tells letters and digits by newer Unicode tables than
`tokenizers`, so that characters added since are cut otherwise. Ids differ there only where a merge
of the file crosses such a cut.
"""

import heapq
import json
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from operator import add
from pathlib import Path

import regex

from course_lib.data.tokenization.bpe import MergeTable
from course_lib.data.tokenization.cutters import cutter, normalizer
from course_lib.data.tokenization.tokenizer import visible_bytes

MAX_CACHE = 200_000
LONG = 64  # characters: longer pieces don't come back, and aren't kept
MODEL = {  # what the file's model may say for our merges to be its merges
    "type": ("BPE",),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "fuse_unk": (None, False),
}
ADDED = ("single_word", "lstrip", "rstrip", "normalized")


class ByteLevelBPE:
    """Text to ids and back, as the file says.

    tokens: id -> its bytes, and what added tokens are spelled like. specials: id -> spelling of
    those that no text may contain. missing: the bytes that no token stands for; `encode` leaves
    them out, or puts the file's `unk_token` for each where it names one.
    """

    def __init__(self, state: dict, name: str = "tokenizer.json"):
        self.name = name
        try:
            self._read(state)
        except (LookupError, TypeError, AttributeError, regex.error) as error:
            kind = type(error).__name__
            raise ValueError(f"{name}: no byte-level BPE can be read ({kind}: {error})") from error

    def _read(self, state: dict) -> None:
        name, model = self.name, state.get("model") or {}
        for field, wanted in MODEL.items():
            if model.get(field) not in wanted:
                raise ValueError(
                    f"{name}: model.{field} is {model.get(field)!r}, expected {wanted[0]!r}: "
                    "only byte-level BPE is read"
                )
        self.vocab: dict[str, int] = model["vocab"]
        for token, i in self.vocab.items():
            if not isinstance(i, int) or not 0 <= i <= sys.maxunicode:
                raise ValueError(f"{name}: token {token!r} has id {i!r}, expected one from 0 on")
        if not self.vocab:
            raise ValueError(f"{name}: model.vocab is empty, expected tokens and their ids")
        self.normalize = normalizer(state.get("normalizer"), name)
        self.cut: Callable[[str], list[str]] = cutter(state.get("pre_tokenizer"), name)
        self._ignore_merges = bool(model.get("ignore_merges"))
        self._unknown = self._id(model["unk_token"]) if model.get("unk_token") else None
        self._read_added(state.get("added_tokens") or [])
        table = visible_bytes()
        self.missing = bytes(byte for byte, shown in table.items() if shown not in self.vocab)
        raw = {shown: byte for byte, shown in table.items()}
        self.tokens = {i: _raw(token, raw) for token, i in self.vocab.items()}
        self.tokens |= {i: token.encode() for i, token in self._added.items()}
        symbols = {byte: self.vocab.get(shown, self._unknown) for byte, shown in table.items()}
        self._symbols = {byte: "" if i is None else chr(i) for byte, i in symbols.items()}
        self._merges = _Merges(self._pairs(model["merges"]))
        self._cache: dict[str, tuple[int, ...]] = {}

    @classmethod
    def load(cls, path: str | Path) -> "ByteLevelBPE":
        """Reads `tokenizer.json`, or the folder that it is in. Raises ValueError for another."""
        path = Path(path)
        path = path / "tokenizer.json" if path.is_dir() else path
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: no tokenizer.json that can be read ({error})") from error
        if not isinstance(state, dict):
            raise ValueError(f"{path}: {type(state).__name__}, expected a JSON object")
        return cls(state, str(path))

    @property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        return max(self.tokens) + 1

    def token_id(self, token: str) -> int:
        """The id of an added token by its spelling. Raises ValueError for none."""
        return self._id(token)

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """The ids of a text; nothing is put before or after it.

        specials: whether `<|im_start|>` in the text is the token, as in a rendered chat, or ten
        characters like others, as in what a user writes. Raises UnicodeEncodeError for a lone
        surrogate.
        """
        text.encode()
        ids: list[int] = []
        for part, added in self.parts(text, specials=specials):
            if added is not None:
                ids.append(added)
            elif part:
                pieces = self.cut(self.normalize(part))
                ids += chain.from_iterable(map(self._piece, pieces))
        return ids

    def decode_bytes(self, ids: Iterable[int], *, specials: bool = False) -> bytes:
        """The bytes of ids; special tokens are left out unless asked for. ValueError: no id."""
        ids = list(ids)
        if unknown := [i for i in ids if i not in self.tokens]:
            raise ValueError(f"token {unknown[0]!r}: expected an id of {self.name}")
        return b"".join(self.tokens[i] for i in ids if specials or i not in self.specials)

    def decode(self, ids: Iterable[int], *, specials: bool = False) -> str:
        """The text of ids; broken UTF-8 becomes U+FFFD."""
        return self.decode_bytes(ids, specials=specials).decode("utf-8", errors="replace")

    def _id(self, token: str) -> int:
        found = getattr(self, "_by_spelling", {}).get(token, self.vocab.get(token))
        if found is None:
            raise ValueError(f"{self.name}: no token {token!r}")
        return found

    def _read_added(self, entries: list[dict]) -> None:
        for entry in entries:
            if not entry["content"]:
                raise ValueError(f"{self.name}: added token {entry['id']} is '', expected a text")
            if asked := [flag for flag in ADDED if entry.get(flag)]:
                plain = asked == ["normalized"] and self.normalize("\u212b") == "\u212b"
                if not plain:
                    raise ValueError(
                        f"{self.name}: added token {entry['content']!r} has {asked[0]} set, "
                        "expected it unset"
                    )
        self._added = {entry["id"]: entry["content"] for entry in entries}
        self._by_spelling = {token: i for i, token in self._added.items()}
        self.specials = {e["id"]: e["content"] for e in entries if e.get("special")}
        self._find_all = _any_of(self._added.values())
        self._find_plain = _any_of(set(self._added.values()) - set(self.specials.values()))

    def parts(self, text: str, *, specials: bool) -> Iterable[tuple[str, int | None]]:
        """The text between added tokens (with None), and the tokens with their ids."""
        find, at = self._find_all if specials else self._find_plain, 0
        for match in find.finditer(text) if find else ():
            yield text[at : match.start()], None
            yield match.group(), self._by_spelling[match.group()]
            at = match.end()
        yield text[at:], None

    def _pairs(self, merges: list) -> Iterable[tuple[int, int, int]]:
        for merge in merges:
            parts = merge.split(" ", 1) if isinstance(merge, str) else merge
            if len(parts) != 2:
                raise ValueError(f"{self.name}: merge {merge!r}, expected two tokens")
            left, right = parts
            yield self._id(left), self._id(right), self._id(left + right)

    def _piece(self, piece: str) -> tuple[int, ...]:
        ids = self._cache.get(piece)
        if ids is None:
            ids = self._encode_piece(piece)
            if len(piece) <= LONG:
                if len(self._cache) >= MAX_CACHE:
                    self._cache.clear()
                self._cache[piece] = ids
        return ids

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        data = piece.encode().decode("latin-1")
        if self._ignore_merges:
            table = visible_bytes()
            whole = self.vocab.get("".join(table[ord(byte)] for byte in data))
            if whole is not None:
                return (whole,)
        return tuple(map(ord, self._merges.apply(data.translate(self._symbols))))


class _Merges(MergeTable):
    """Merges whose results have ids of their own, several of which may make the same token.

    Then what a merge makes may fall under an earlier one, so a long word is merged one place at a
    time: of all pairs present that of the lowest rank, and of its places the leftmost.
    """

    def __init__(self, merges: Iterable[tuple[int, int, int]]):
        merges = list(merges)
        super().__init__([(left, right) for left, right, _ in merges], 0)
        self.made = [chr(made) for _, _, made in merges]

    def _by_queue(self, word: str) -> str:
        end, symbols = len(word), list(word)
        before, after = list(range(-1, end - 1)), list(range(1, end + 1))
        ranks = (self.rank.get(pair) for pair in map(add, word, word[1:]))
        heap = [(rank, place) for place, rank in enumerate(ranks) if rank is not None]
        heapq.heapify(heap)
        while heap:
            rank, left = heapq.heappop(heap)
            right = after[left]
            if right == end or symbols[left] + symbols[right] != self.pairs[rank]:
                continue
            symbols[left], symbols[right] = self.made[rank], ""
            after[left] = after[right]
            if after[left] < end:
                before[after[left]] = left
            for place in (before[left], left):
                if place >= 0 and after[place] < end:
                    found = self.rank.get(symbols[place] + symbols[after[place]])
                    if found is not None:
                        heapq.heappush(heap, (found, place))
        return "".join(symbols)


def _raw(token: str, raw: dict[str, int]) -> bytes:
    """A token's bytes; one that isn't spelled in GPT-2's characters is what it says."""
    if all(shown in raw for shown in token):
        return bytes(raw[shown] for shown in token)
    return token.encode()


def _any_of(tokens: Iterable[str]) -> regex.Pattern | None:
    """What finds the first of the tokens in a text, and of several there the longest."""
    longest_first = sorted(tokens, key=len, reverse=True)
    return regex.compile("|".join(map(regex.escape, longest_first))) if longest_first else None
