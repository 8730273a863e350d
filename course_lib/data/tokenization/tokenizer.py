"""Byte-level byte-pair encoding (BPE), from scratch, equal merge by merge to `tokenizers`.

Sources: Sennrich et al. 2016 (algorithm 1: merge the most frequent pair), Radford et al. 2019
(section 2.2: bytes as the alphabet, and a regular expression that no merge may cross).

Three files: `pretokenize` cuts text into pieces, `bpe` learns merges and applies them, and this
one makes a tokenizer of them.

Deviations from GPT-2: single digits, whitespace never longer than one character (the pattern
"course"; "gpt2" and "llama3" are there too), and our own special tokens, which come first so that
their ids don't depend on the vocabulary's size.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import index
from pathlib import Path

from course_lib.data.tokenization.bpe import MergeTable, Pair, learn_merges
from course_lib.data.tokenization.chat import CHAT_TEMPLATE, SPECIAL_TOKENS
from course_lib.data.tokenization.pretokenize import PATTERNS, pattern_named


def byte_alphabet() -> list[int]:
    """The 256 bytes in the order that fixes their ids: printable ones first, then the rest.

    It is the order of GPT-2's byte-to-character table, which `tokenizers` uses too. Ties between
    equally frequent pairs go to the lower ids, so equal merges need equal ids of bytes.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return printable + [byte for byte in range(256) if byte not in set(printable)]


def visible_bytes() -> dict[int, str]:
    """GPT-2's one printable character for each byte (space is `Ġ`, newline is `Ċ`)."""
    order = byte_alphabet()
    return {
        byte: chr(byte if place < 188 else 256 + place - 188) for place, byte in enumerate(order)
    }


def byte_symbols(n_specials: int) -> dict[int, str]:
    """For each byte, the character that stands for its id in the strings of `bpe`."""
    return {byte: chr(n_specials + place) for place, byte in enumerate(byte_alphabet())}


def as_symbols(piece: str, symbols: dict[int, str]) -> str:
    """The UTF-8 bytes of `piece`, one symbol each; `surrogateescape`d bytes as themselves."""
    return piece.encode("utf-8", "surrogateescape").decode("latin-1").translate(symbols)


class Tokenizer:
    """Text to ids and back: special tokens, then 256 bytes, then one id for each merge.

    `encode` treats its text as plain text: a document that contains the characters `<|end|>`
    becomes ordinary bytes and can't forge a turn of a chat. Special ids are only ever put in
    by code (`course_lib.data.tokenization.chat`, `course_lib.data.mixing.packing`).
    """

    def __init__(
        self,
        merges: Iterable[Pair],
        specials: Sequence[str] = SPECIAL_TOKENS,
        pattern: str = "course",
    ):
        self.specials = tuple(specials)
        self.pattern = pattern_named(pattern)
        self.merges = list(merges)
        self.token_bytes = [special.encode() for special in self.specials]
        self.token_bytes += [bytes([byte]) for byte in byte_alphabet()]
        first_new = len(self.token_bytes)
        for pair in self.merges:
            if not len(self.specials) <= min(pair) <= max(pair) < len(self.token_bytes):
                raise ValueError(
                    f"merge {len(self.token_bytes) - first_new} joins the ids {pair}: "
                    f"only {len(self.specials)} to {len(self.token_bytes) - 1} are "
                    "bytes or were made by then"
                )
            self.token_bytes.append(self.token_bytes[pair[0]] + self.token_bytes[pair[1]])
        self._symbols = byte_symbols(len(self.specials))
        self._table = MergeTable(self.merges, first_new)
        self._cache = _Cache(self._encode_piece)

    @property
    def vocab_size(self) -> int:
        return len(self.token_bytes)

    @property
    def eos_id(self) -> int:
        return self.specials.index("<|eos|>")

    @property
    def user_id(self) -> int:
        return self.specials.index("<|user|>")

    @property
    def assistant_id(self) -> int:
        return self.specials.index("<|assistant|>")

    @property
    def end_id(self) -> int:
        return self.specials.index("<|end|>")

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        return tuple(map(ord, self._table.apply(as_symbols(piece, self._symbols))))

    def _ids(self, text: str) -> list[int]:
        return list(chain.from_iterable(map(self._cache.__getitem__, self.pattern.split(text))))

    def encode(self, text: str) -> list[int]:
        """The ids of `text`. A lone surrogate isn't text: UnicodeEncodeError, with its place."""
        if not text.isascii():
            text.encode("utf-8")
        return self._ids(text)

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes; those that aren't UTF-8 count as marks and stay single bytes.

        `decode_bytes` gives the bytes again, whatever they are. Valid UTF-8 has the ids of its
        text.
        """
        return self._ids(data.decode("utf-8", "surrogateescape"))

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def _known(self, token_id: object) -> int:
        """An id of the vocabulary: -1 isn't its last one, nor 5.7 the sixth."""
        try:
            known = index(token_id)
        except TypeError:
            known = -1
        if not 0 <= known < len(self.token_bytes):
            raise ValueError(
                f"token {token_id!r}: expected a whole number from 0 to {self.vocab_size - 1}"
            )
        return known

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids`; special tokens are left out. ValueError for what is no id."""
        first = len(self.specials)
        return b"".join(self.token_bytes[i] for i in map(self._known, ids) if i >= first)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; special tokens are left out, broken UTF-8 becomes U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def token(self, token_id: int) -> str:
        """One token as GPT-2's visible characters, for tables and for `tokenizers`."""
        token_id = self._known(token_id)
        if token_id < len(self.specials):
            return self.specials[token_id]
        table = visible_bytes()
        return "".join(table[byte] for byte in self.token_bytes[token_id])

    def save(self, path: str | Path) -> None:
        state = {
            "pattern": self.pattern.expression,
            "specials": self.specials,
            "merges": self.merges,
        }
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        known = {pattern.expression: name for name, pattern in PATTERNS.items()}
        if state["pattern"] not in known:
            raise ValueError(
                f"{path} was trained with pattern {state['pattern']!r}; "
                f"this version reads {', '.join(known.values())} only"
            )
        merges = [(left, right) for left, right in state["merges"]]
        return cls(merges, state["specials"], known[state["pattern"]])

    def to_transformers(self):
        """The same tokenizer as a `PreTrainedTokenizerFast`, with the chat template.

        One difference: it reads `<|end|>` inside a text as the special token, as Hugging Face
        tokenizers do, unless it is called with `split_special_tokens=True`.
        """
        from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
        from tokenizers import Tokenizer as HubTokenizer
        from transformers import PreTrainedTokenizerFast

        names = [self.token(i) for i in range(self.vocab_size)]
        hub = HubTokenizer(
            models.BPE(
                vocab={name: i for i, name in enumerate(names)},
                merges=[(names[left], names[right]) for left, right in self.merges],
            )
        )
        hub.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(self.pattern.expression), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        hub.decoder = decoders.ByteLevel()
        hub.add_special_tokens(
            [AddedToken(s, special=True, normalized=False) for s in self.specials]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=hub,
            eos_token="<|eos|>",
            bos_token="<|eos|>",
            pad_token="<|eos|>",
            additional_special_tokens=[s for s in self.specials if s != "<|eos|>"],
            clean_up_tokenization_spaces=False,
            chat_template=CHAT_TEMPLATE,
        )


class _Cache(dict):
    """Pre-token to ids, filled on first use: text repeats its words, so most look-ups hit."""

    def __init__(self, encode, limit: int = 500_000, longest: int = 128):
        super().__init__()
        self.encode, self.limit, self.longest = encode, limit, longest

    def __missing__(self, piece: str) -> tuple[int, ...]:
        ids = self.encode(piece)
        if len(piece) <= self.longest:  # a megabyte without a blank is no word that comes back
            if len(self) >= self.limit:
                self.clear()
            self[piece] = ids
        return ids


def train_bpe(texts: Iterable[str], vocab_size: int = 768, pattern: str = "course") -> Tokenizer:
    """Learn merges until the vocabulary holds `vocab_size` tokens or no pair is left.

    pattern: "course", "gpt2" or "llama3": the cut that no merge may cross.
    Deterministic: the most frequent pair wins, and among equals the one with the lowest ids.
    """
    return train_on_counts(pattern_named(pattern).count(texts), vocab_size, pattern)


def train_on_counts(counts: Counter[str], vocab_size: int, pattern: str = "course") -> Tokenizer:
    """The same from counted pre-tokens, such as the sum of what many workers counted.

    A lone surrogate isn't text: UnicodeEncodeError, with its place.
    """
    base = len(SPECIAL_TOKENS) + 256
    if vocab_size < base:
        raise ValueError(
            f"vocab_size={vocab_size} is too small: {len(SPECIAL_TOKENS)} special "
            f"tokens and 256 bytes need {base}"
        )
    for piece in counts:
        if not piece.isascii():
            piece.encode("utf-8")  # a lone surrogate would be learned as a byte
    symbols = byte_symbols(len(SPECIAL_TOKENS))
    words = [as_symbols(piece, symbols) for piece in counts]
    return Tokenizer(learn_merges(words, counts.values(), base, vocab_size - base), pattern=pattern)
