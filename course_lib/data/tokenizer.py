"""Byte-level byte-pair encoding (BPE), from scratch, equal merge by merge to `tokenizers`.

Sources: Sennrich et al. 2016 (algorithm 1: merge the most frequent pair), Radford et al. 2019
(section 2.2: bytes as the alphabet, and a regular expression that no merge may cross).

Deviations from GPT-2: single digits, whitespace never longer than one character, and our own
special tokens, which come first so that their ids don't depend on the vocabulary's size.
"""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from pathlib import Path

import regex

from course_lib.data.chat import CHAT_TEMPLATE, SPECIAL_TOKENS

PRETOKEN_PATTERN = r" ?\p{L}+| ?\p{N}|\s|[^\s\p{L}\p{N}]"
PRETOKEN = regex.compile(PRETOKEN_PATTERN)

Pair = tuple[int, int]


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
    return {byte: chr(byte if place < 188 else 256 + place - 188)
            for place, byte in enumerate(order)}


def merge_pair(word: list[int], pair: Pair, new: int) -> list[int]:
    """Replace every occurrence of `pair` in `word` by `new`, from left to right."""
    merged, place = [], 0
    while place < len(word):
        if place + 1 < len(word) and (word[place], word[place + 1]) == pair:
            merged.append(new)
            place += 2
        else:
            merged.append(word[place])
            place += 1
    return merged


class PairCounts:
    """How often each adjacent pair occurs in a counted word list, kept up to date by merges.

    The naive algorithm recounts everything after each merge: O(merges x corpus). Here each
    merge visits only the distinct words that hold the pair, and a heap finds the next best.
    """

    def __init__(self, words: list[list[int]], counts: list[int]):
        self.words, self.counts = words, counts
        self.totals: dict[Pair, int] = defaultdict(int)
        self.places: dict[Pair, set[int]] = defaultdict(set)
        for index, word in enumerate(words):
            for pair in pairwise(word):
                self.totals[pair] += counts[index]
                self.places[pair].add(index)
        self.heap = [(-total, pair) for pair, total in self.totals.items()]
        heapq.heapify(self.heap)

    def best(self) -> Pair | None:
        """The most frequent pair, the lowest ids first among equals; None when all are merged."""
        while self.heap:
            negative, pair = heapq.heappop(self.heap)
            total = self.totals.get(pair, 0)
            if total == -negative and total > 0:
                return pair
            if 0 < total < -negative:  # the entry is out of date: put it back at its true count
                heapq.heappush(self.heap, (-total, pair))
        return None

    def merge(self, pair: Pair, new: int) -> None:
        grown = set()
        for index in self.places.pop(pair):
            before, count = self.words[index], self.counts[index]
            after = merge_pair(before, pair, new)
            self.words[index] = after
            for old in pairwise(before):
                self.totals[old] -= count
            for made in pairwise(after):
                self.totals[made] += count
                if new in made:
                    self.places[made].add(index)
                    grown.add(made)
        del self.totals[pair]
        for made in grown:
            heapq.heappush(self.heap, (-self.totals[made], made))


class Tokenizer:
    """Text to ids and back: special tokens, then 256 bytes, then one id for each merge.

    `encode` treats its text as plain text: a document that contains the characters `<|end|>`
    becomes ordinary bytes and can't forge a turn of a chat. Special ids are only ever put in
    by code (`course_lib.data.chat`, `course_lib.data.packing`).
    """

    def __init__(self, merges: Sequence[Pair], specials: Sequence[str] = SPECIAL_TOKENS):
        self.specials = tuple(specials)
        self.merges = list(merges)
        self.token_bytes = [special.encode() for special in self.specials]
        self.token_bytes += [bytes([byte]) for byte in byte_alphabet()]
        self._byte_id = {byte: len(self.specials) + i for i, byte in enumerate(byte_alphabet())}
        self._rank = {}
        for rank, (left, right) in enumerate(self.merges):
            self._rank[left, right] = (rank, len(self.token_bytes))
            self.token_bytes.append(self.token_bytes[left] + self.token_bytes[right])
        self._cache = _Cache(self._encode_pretoken)

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

    def _encode_pretoken(self, piece: str) -> tuple[int, ...]:
        """Apply the merges in the order in which training made them."""
        ids = [self._byte_id[byte] for byte in piece.encode("utf-8")]
        while len(ids) > 1:
            known = [pair for pair in pairwise(ids) if pair in self._rank]
            if not known:
                break
            pair = min(known, key=self._rank.__getitem__)
            ids = merge_pair(ids, pair, self._rank[pair][1])
        return tuple(ids)

    def encode(self, text: str) -> list[int]:
        return list(chain.from_iterable(map(self._cache.__getitem__, PRETOKEN.findall(text))))

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; special tokens are left out, broken UTF-8 becomes U+FFFD."""
        first = len(self.specials)
        joined = b"".join(self.token_bytes[int(i)] for i in ids if int(i) >= first)
        return joined.decode("utf-8", errors="replace")

    def token(self, token_id: int) -> str:
        """One token as GPT-2's visible characters, for tables and for `tokenizers`."""
        if token_id < len(self.specials):
            return self.specials[token_id]
        table = visible_bytes()
        return "".join(table[byte] for byte in self.token_bytes[token_id])

    def save(self, path: str | Path) -> None:
        state = {"pattern": PRETOKEN_PATTERN, "specials": self.specials, "merges": self.merges}
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        if state["pattern"] != PRETOKEN_PATTERN:
            raise ValueError(f"{path} was trained with pattern {state['pattern']!r}; "
                             f"this version reads {PRETOKEN_PATTERN!r} only")
        return cls([(left, right) for left, right in state["merges"]], state["specials"])

    def to_transformers(self):
        """The same tokenizer as a `PreTrainedTokenizerFast`, with the chat template.

        One difference: it reads `<|end|>` inside a text as the special token, as Hugging Face
        tokenizers do, unless it is called with `split_special_tokens=True`.
        """
        from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
        from tokenizers import Tokenizer as HubTokenizer
        from transformers import PreTrainedTokenizerFast

        names = [self.token(i) for i in range(self.vocab_size)]
        hub = HubTokenizer(models.BPE(
            vocab={name: i for i, name in enumerate(names)},
            merges=[(names[left], names[right]) for left, right in self.merges]))
        hub.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(PRETOKEN_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        hub.decoder = decoders.ByteLevel()
        hub.add_special_tokens([AddedToken(s, special=True, normalized=False)
                                for s in self.specials])
        return PreTrainedTokenizerFast(
            tokenizer_object=hub, eos_token="<|eos|>", bos_token="<|eos|>", pad_token="<|eos|>",
            additional_special_tokens=[s for s in self.specials if s != "<|eos|>"],
            clean_up_tokenization_spaces=False, chat_template=CHAT_TEMPLATE)


class _Cache(dict):
    """Pre-token to ids, filled on first use: text repeats its words, so most look-ups hit."""

    def __init__(self, encode, limit: int = 1_000_000):
        super().__init__()
        self.encode, self.limit = encode, limit

    def __missing__(self, piece: str) -> tuple[int, ...]:
        if len(self) >= self.limit:
            self.clear()
        self[piece] = ids = self.encode(piece)
        return ids


def count_pretokens(texts: Iterable[str]) -> Counter:
    """How often each piece of the pre-token pattern occurs; training needs nothing else."""
    counts: Counter = Counter()
    for text in texts:
        counts.update(PRETOKEN.findall(text))
    return counts


def train_bpe(texts: Iterable[str], vocab_size: int = 768) -> Tokenizer:
    """Learn merges until the vocabulary holds `vocab_size` tokens or no pair is left.

    Deterministic: the most frequent pair wins, and among equals the one with the lowest ids.
    """
    tokenizer = Tokenizer(merges=[])
    if vocab_size < tokenizer.vocab_size:
        raise ValueError(f"vocab_size={vocab_size} is too small: {len(SPECIAL_TOKENS)} special "
                         f"tokens and 256 bytes need {tokenizer.vocab_size}")
    counted = count_pretokens(texts)
    words = [list(tokenizer._encode_pretoken(piece)) for piece in counted]
    pairs = PairCounts(words, list(counted.values()))
    merges: list[Pair] = []
    for new in range(tokenizer.vocab_size, vocab_size):
        pair = pairs.best()
        if pair is None:
            break
        merges.append(pair)
        pairs.merge(pair, new)
    return Tokenizer(merges)
