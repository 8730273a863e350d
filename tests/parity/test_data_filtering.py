"""Ours against datatrove's filters, document by document, on real text and on junk."""

from functools import cache

from datasets import Dataset, interleave_datasets
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import TERMINAL_PUNCTUATION, split_into_sentences, split_into_words

from course_lib.data.filtering.junk import junk
from course_lib.data.filtering.web_rules import (
    C4Rules,
    FineWebRules,
    c4,
    fineweb,
    gopher,
    repetition,
)
from course_lib.data.mixing.weights import draw_sources
from course_lib.data.sources.source import source


@cache
def words(text):
    return split_into_words(text, "eng")


@cache
def corpus():
    """About 300 texts: reference pages, docstrings, junk of seven kinds."""
    docs = [r.text for r in source("python_docs", kinds=("reference",)) if len(r.text) < 5_000]
    docs += [
        r.text
        for r in source(
            "python_docs",
            kinds=("docstring",),
            modules=(
                "argparse",
                "asyncio",
                "logging",
                "random",
                "heapq",
                "turtle",
                "email",
                "decimal",
            ),
        )
    ]
    docs = [text for text in docs if text.strip()][:220]
    return [*docs, *(r.text for r in junk(docs, 84, seed=1))]


def compare(parity, name, ours, filter_, note):
    verdicts = []
    for text in corpus():
        result = filter_.filter(Document(text, "0"))
        verdicts.append(result is True or (isinstance(result, tuple) and result[0]))
    mine = [ours(text) for text in corpus()]
    assert 0.05 < sum(verdicts) / len(verdicts) < 0.95, "the filter decides nothing here"
    different = sum(a != b for a, b in zip(mine, verdicts, strict=True))
    parity(
        stem="data",
        ours=f"data.web_rules.{name}",
        reference=f"datatrove {type(filter_).__name__}",
        error=different,
        tolerance=0,
        note=f"decisions that differ, of {len(verdicts)} texts; {note}",
    )


def test_gopher_quality(parity):
    compare(
        parity,
        "gopher",
        lambda t: gopher(t, words=words).keep,
        GopherQualityFilter(),
        "the same word splitter",
    )


def test_gopher_repetition(parity):
    compare(
        parity,
        "repetition",
        lambda t: repetition(t, words=words).keep,
        GopherRepetitionFilter(),
        "the same word splitter",
    )


def test_c4(parity):
    compare(
        parity,
        "c4",
        lambda t: (
            c4(
                t, C4Rules.first_version(), lambda line: split_into_sentences(line, "eng")
            ).verdict.keep
        ),
        C4QualityFilter(),
        "the same sentence splitter, the paper's first version",
    )


def test_c4_leaves_the_same_text(parity):
    different = 0
    for text in corpus():
        document = Document(text, "0")
        if C4QualityFilter(min_num_sentences=-1).filter(document) is True:
            rules = C4Rules(min_sentences=0, min_words=3)
            different += c4(text, rules).text != document.text
    parity(
        stem="data",
        ours="data.web_rules.c4",
        reference="datatrove C4QualityFilter",
        error=different,
        tolerance=0,
        note="texts whose kept lines differ",
    )


def test_fineweb(parity):
    ends = tuple(TERMINAL_PUNCTUATION)
    compare(
        parity,
        "fineweb",
        lambda t: fineweb(t, FineWebRules.datatrove(), words, ends).keep,
        FineWebQualityFilter(),
        "datatrove's end marks and word splitter",
    )


def test_interleaving(parity):
    weights, n = [0.6, 0.3, 0.1], 3_000
    parts = [Dataset.from_dict({"source": [i] * n}) for i in range(3)]
    mixed = interleave_datasets(
        parts, probabilities=weights, seed=11, stopping_strategy="first_exhausted"
    )
    theirs = mixed["source"][:]
    different = int((draw_sources(weights, len(theirs), seed=11) != theirs).sum())
    assert len(theirs) > n
    parity(
        stem="data",
        ours="data.mixing.draw_sources",
        reference="datasets interleave_datasets",
        error=different,
        tolerance=0,
        note=f"sources that differ, of {len(theirs)} documents",
    )
