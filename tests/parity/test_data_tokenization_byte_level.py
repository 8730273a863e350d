"""Any byte-level `tokenizer.json` in our code, against `tokenizers` with the same file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from course_lib import lineage
from course_lib.data.sources.source import source
from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.pretokenize import LLAMA3
from tests.parity.test_data_tokenization import HARD

CUTS = {
    "gpt2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
    "smollm": [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
    "llama3": [
        pre_tokenizers.Split(Regex(LLAMA3.expression), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ],
    "a space before": [pre_tokenizers.ByteLevel(add_prefix_space=True)],
}
SPECIALS = ["<|end|>", "<|end|>x", "<|im_start|>"]
TEXTS = st.lists(
    st.one_of(st.text(max_size=30), st.sampled_from([*HARD, *SPECIALS, "<tool>", " the", "12"])),
    max_size=6,
).map("".join)


def trained(cut: str, letters: str = "") -> Tokenizer:
    """A tokenizer of `tokenizers`, of all bytes, or only of those in the texts and `letters`."""
    hub = Tokenizer(models.BPE())
    hub.pre_tokenizer = pre_tokenizers.Sequence(CUTS[cut])
    hub.decoder = decoders.ByteLevel()
    texts = [r.text[:3000] for r in source("python_docs", kinds=("reference",))][:30]
    alphabet = list(letters) if letters else pre_tokenizers.ByteLevel.alphabet()
    hub.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=900, show_progress=False, initial_alphabet=alphabet),
    )
    hub.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    hub.add_tokens([AddedToken("<tool>", special=False, normalized=False)])
    return hub


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[Tokenizer, ByteLevelBPE]]:
    found = {name: trained(name) for name in CUTS}
    found["few bytes"] = trained("smollm", letters="a")
    with_unknown = json.loads(found["few bytes"].to_str())
    with_unknown["model"]["unk_token"] = "<|end|>"
    with_unknown["model"]["vocab"]["<|end|>"] = found["few bytes"].token_to_id("<|end|>")
    found["unknown"] = Tokenizer.from_str(json.dumps(with_unknown))
    whole = json.loads(found["gpt2"].to_str())
    whole["model"]["ignore_merges"] = True
    del whole["model"]["merges"][200:]
    found["ignore_merges"] = Tokenizer.from_str(json.dumps(whole))
    return {name: (hub, ByteLevelBPE(json.loads(hub.to_str()))) for name, hub in found.items()}


@pytest.mark.parametrize("cut", [*CUTS, "few bytes", "unknown", "ignore_merges"])
@settings(deadline=None, max_examples=150)
@given(text=TEXTS)
def test_ids_and_texts(pairs, cut, text):
    hub, ours = pairs[cut]
    hub.encode_special_tokens = False
    ids = hub.encode(text, add_special_tokens=False).ids
    assert ours.encode(text, specials=True) == ids
    assert ours.decode(ids, specials=True) == hub.decode(ids, skip_special_tokens=False)
    hub.encode_special_tokens = True  # what `split_special_tokens` does in transformers
    assert ours.encode(text) == hub.encode(text, add_special_tokens=False).ids


def test_merges_that_make_a_token_twice(parity):
    """abc by ab+c and by a+bc, and a merge of abc that stands before the second of the two."""
    tokens = ["a", "b", "c", "d", "ab", "abc", "bc", "abcd", "cd"]
    vocab = {token: i for i, token in enumerate(tokens)}
    merges = [("a", "b"), ("ab", "c"), ("abc", "d"), ("b", "c"), ("a", "bc"), ("c", "d")]
    hub = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    hub.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    ours = ByteLevelBPE(json.loads(hub.to_str()))
    texts = ("abcd", "bcd", "abcbcd" * 30, "cdabcab" * 40, "dcba", "aabbccdd" * 20, "bcbc" * 99)
    wrong = sum(ours.encode(text) != hub.encode(text).ids for text in texts)
    parity(
        stem="data",
        ours="data.tokenization.byte_level.ByteLevelBPE",
        reference="tokenizers.models.BPE",
        error=wrong,
        tolerance=0,
        note="texts with other ids, where two merges make the same token",
    )


@pytest.fixture(scope="module")
def published() -> tuple[Tokenizer, ByteLevelBPE]:
    """SmolLM2's own file, in both."""
    folder = lineage.published()
    if folder is None:
        pytest.skip(lineage.PUBLISHED_MISSING)
    path = folder / "tokenizer.json"
    return Tokenizer.from_file(str(path)), ByteLevelBPE.load(path)


@settings(deadline=None, max_examples=500)
@given(text=TEXTS)
def test_ids_of_the_published_file(published, text):
    hub, ours = published
    assert ours.encode(text, specials=True) == hub.encode(text, add_special_tokens=False).ids


def test_real_text_in_the_published_file(published, parity):
    hub, ours = published
    texts = [r.text for r in source("python_docs", kinds=("reference",))][:40]
    wrong = sum(ours.encode(text) != hub.encode(text).ids for text in texts)
    parity(
        stem="data",
        ours="data.tokenization.byte_level.ByteLevelBPE",
        reference="tokenizers.Tokenizer",
        error=wrong,
        tolerance=0,
        note="texts of Python's manual with other ids, by SmolLM2's tokenizer.json",
    )


def test_bytes_that_it_lacks_are_left_out(published):
    hub, ours = published
    assert len(ours.missing) == 21
    for byte in ours.missing:
        if byte < 128:
            text = "a" + chr(byte) + "b"
            assert ours.encode(text) == hub.encode(text).ids
            assert ours.decode(ours.encode(text)) == "ab"
