import json
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from course_lib.data.sources.hub import HUB, best_threads
from course_lib.data.sources.python_text import package_licence
from course_lib.data.sources.source import SOURCES, source

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
REFUSED = [CHAT[0], {"role": "assistant", "content": "No"}]
ROWS = {  # one row each, with the columns of the real data sets
    "tinystories": {"text": "Once upon a time."},
    "fineweb-edu": {"text": "A page.", "id": "x", "url": "u", "score": 3.5},
    "the-stack": {"content": "x = 1", "max_stars_repo_licenses": ["MIT", "BSD-3-Clause"]},
    "ultrachat": {"prompt": "Hi", "prompt_id": "0", "messages": CHAT},
    "ultrafeedback": {"prompt": "Hi", "chosen": CHAT, "rejected": REFUSED, "score_chosen": 8.0},
    "fineweb": {
        "text": "A page.",
        "id": "x",
        "url": "u",
        "dump": "CC-MAIN-2024-10",
        "language": "en",
        "language_score": 0.98,
        "token_count": 3,
    },
    "refinedweb": {"content": "A page.", "url": "u", "dump": "CC-MAIN-2013-20", "segment": "s"},
    "pile": {"text": "A paper.", "meta": {"pile_set_name": "ArXiv"}},
    "redpajama": {"text": "A paper.", "meta": {"source": "arxiv"}},
    "dolma": {"id": "d1", "text": "A book.", "source": "books", "added": "2024-01-01"},
    "dolly": {
        "instruction": "Name it.",
        "context": "",
        "response": "A mill.",
        "category": "open_qa",
    },
    "openassistant": {
        "message_id": "m1",
        "parent_id": None,
        "message_tree_id": "m1",
        "text": "Hi",
        "role": "prompter",
        "lang": "en",
        "rank": None,
    },
    "gsm8k": {"question": "1 + 1?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"},
}


def local(tmp_path, name, form):
    path = tmp_path / f"{name}.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist([ROWS[name]] * 3), path)
    else:
        path.write_text("".join(json.dumps(ROWS[name]) + "\n" for _ in range(3)))
    return str(path)


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
@pytest.mark.parametrize("name", sorted(HUB))
def test_hub_readers_on_local_files_of_the_same_schema(tmp_path, name, form):
    records = list(source(f"hub:{name}", files=local(tmp_path, name, form)))
    assert [r.id for r in records] == [f"hub:{name}/{i}" for i in range(3)]
    assert records[0].text and records[0].licence and records[0].nats is None
    assert records[0].kind == HUB[name].kind


def test_what_the_structured_ones_keep(tmp_path):
    def first(name):
        return next(source(f"hub:{name}", files=local(tmp_path, name, "parquet")))

    assert first("ultrachat").fields == {"messages": CHAT}
    assert first("ultrachat").text == "user: Hi\n\nassistant: Hello"
    fields = {"prompt": "Hi", "chosen": "Hello", "rejected": "No"}
    assert first("ultrafeedback").fields == fields
    assert first("gsm8k").fields == {
        "question": "1 + 1?",
        "answer": "2",
        "worked": "1 + 1 = <<1+1=2>>2",
    }
    assert first("the-stack").licence == "MIT; BSD-3-Clause"


def test_a_message_tree_becomes_its_best_conversation(tmp_path):
    rows = [
        ("a", None, None),
        ("a1", "a", 1),
        ("a2", "a", 0),
        ("b", None, None),
        ("a2x", "a2", None),
        ("a1x", "a1", 0),
        ("a2y", "a2", 5),
        ("lost", "gone", 0),
    ]
    path = tmp_path / "oasst.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {
                    **ROWS["openassistant"],
                    "message_id": name,
                    "text": name,
                    "parent_id": parent,
                    "rank": rank,
                }
            )
            + "\n"
            for name, parent, rank in rows
        )
    )
    threads = best_threads(source("hub:openassistant", files=str(path)))
    assert [[r.text for r in thread] for thread in threads] == [["a", "a2", "a2y"], ["b"]]


def test_dolly_leaves_an_empty_context_out(tmp_path):
    record = next(source("hub:dolly", files=local(tmp_path, "dolly", "parquet")))
    assert record.text == "Name it.\n\nA mill." and record.fields["category"] == "open_qa"


def test_a_corpus_that_cannot_be_streamed_says_what_to_do():
    with pytest.raises(ValueError, match=r"hub:dolma can't be streamed .* files=\["):
        next(source("hub:dolma"))


def test_without_a_network_the_error_names_the_embedded_default(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConnectionError, match=r'embedded default source\("world"\)'):
        next(source("hub:tinystories"))


def test_errors_name_what_would_be_accepted(tmp_path):
    with pytest.raises(ValueError, match="hub:wiki is not one of hub:tinystories"):
        next(source("hub:wiki"))
    with pytest.raises(ValueError, match="source 'wiki' is not one of world, python_docs"):
        source("wiki")
    with pytest.raises(ValueError, match="row 0 has no column 'content'"):
        next(source("hub:the-stack", files=local(tmp_path, "gsm8k", "jsonl")))
    with pytest.raises(ValueError, match="package 'not-there' is not installed"):
        next(source("python_docs", kinds=("package",), packages=("not-there",)))
    with pytest.raises(ValueError, match="kind='man'"):
        next(source("python_docs", kinds=("man",)))


def test_the_world_knows_its_entropy():
    records = list(source("world", n=20))
    assert len(records) == 20 and len({r.id for r in records}) == 20
    assert all(r.nats > 0 and r.text and r.licence == "MIT" for r in records)
    assert records == list(source("world", n=20))


def test_python_docs_are_real_docstrings():
    records = list(source("python_docs", kinds=("docstring",), modules=("textwrap",)))
    import textwrap

    by_id = {r.id: r for r in records}
    record = by_id["python_docs/docstring/textwrap.wrap"]
    assert record.text == __import__("inspect").getdoc(textwrap.wrap)
    assert record.licence == "PSF-2.0" and record.nats is None


def test_the_reference_the_code_and_a_package():
    assert "if_stmt" in next(
        r.text for r in source("python_docs", kinds=("reference",)) if r.id.endswith("/if")
    )
    code = list(source("python_code", modules=("textwrap",)))
    assert len(code) == 1 and "def dedent" in code[0].text
    numpy = list(islice(source("python_docs", kinds=("package",), packages=("numpy",)), 5))
    assert len(numpy) == 5 and all(r.licence == package_licence("numpy") for r in numpy)
    assert "BSD" in package_licence("numpy")


def test_sources_are_listed_in_full():
    assert {
        "world",
        "python_docs",
        "python_code",
        "files:PATH",
        *(f"hub:{n}" for n in ROWS),
    } == set(SOURCES)
