"""The course's own corpus on the road to batches: a split as shards, or as rows in memory."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from course_lib.data.mixing.packing import Packed, pack
from course_lib.data.mixing.shards import Encoder, Shards, write_tokens
from course_lib.data.recipe import read_documents


@dataclass(frozen=True, kw_only=True)
class TokenizedSplit:
    """A split of the corpus as packed rows, with the generator's own surprisal of it."""

    packed: Packed
    text_bytes: int
    floor_nats: float

    @property
    def floor(self) -> float:
        """The generator's surprisal, nats a token. Over all that it writes no model does better."""
        return self.floor_nats / self.packed.tokens


def tokenized_split(
    corpus: Path, name: str, tokenizer: Encoder, seq_len: int, most: int | None = None
) -> TokenizedSplit:
    """A split of the corpus artifact, or its first `most` documents, encoded and packed.

    Raises ValueError for a document that is longer than a row.
    """
    documents = list(islice(read_documents(corpus, name), most))
    texts = [document["text"] for document in documents]
    return TokenizedSplit(
        packed=pack(tokenizer.encode_batch(texts), seq_len, tokenizer.eos_id),
        text_bytes=sum(len(text.encode()) for text in texts),
        floor_nats=sum(document["nats"] for document in documents),
    )


def corpus_tokens(corpus: Path, name: str, tokenizer: Encoder, folder: Path) -> Shards:
    """A split of the corpus artifact as shards. The world writes clean text: all of it goes in."""
    texts = (document["text"] for document in read_documents(corpus, name))
    return write_tokens(texts, tokenizer, folder)
