"""Real corpora from the Hugging Face hub, streamed: the `hub:` sources of profiles with a network.

Every one also reads local files of the same columns (`files=`), which is how the tests hold these
readers to their schemas without a network.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from course_lib.data.records import Record


@dataclass(frozen=True)
class HubSource:
    """Where a corpus lies, and how a row of it becomes text, licence and fields."""

    path: str
    split: str
    licence: str
    kind: str
    read: Callable[[dict], tuple[str, dict]]
    config: str | None = None
    row_licence: str | None = None  # the column with a row's own licences, where there is one
    by_hand: str = ""  # why its files must be fetched first and given as `files`


def _plain(column: str) -> Callable[[dict], tuple[str, dict]]:
    return lambda row: (row[column], {})


def _web(row: dict) -> tuple[str, dict]:
    return row["text"], {"url": row["url"], "dump": row["dump"], "language": row["language"]}


def _refinedweb(row: dict) -> tuple[str, dict]:
    return row["content"], {"url": row["url"], "dump": row["dump"]}


def _part(row: dict) -> tuple[str, dict]:
    """The Pile and RedPajama-V1: a text, and in `meta` which part of the mixture it is from."""
    return row["text"], {"meta": row["meta"]}


def _dolma(row: dict) -> tuple[str, dict]:
    return row["text"], {"id": row["id"], "part": row["source"]}


def _dolly(row: dict) -> tuple[str, dict]:
    fields = {name: row[name] for name in ("instruction", "context", "response", "category")}
    asked = "\n\n".join(filter(None, (row["instruction"], row["context"])))
    return f"{asked}\n\n{row['response']}", fields


def _openassistant(row: dict) -> tuple[str, dict]:
    """One message of a tree; `best_threads` puts messages together to conversations."""
    names = ("message_id", "parent_id", "message_tree_id", "role", "lang", "rank")
    return row["text"], {name: row[name] for name in names}


def _dialogue(messages: Sequence[dict]) -> str:
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def _ultrachat(row: dict) -> tuple[str, dict]:
    messages = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
    return _dialogue(messages), {"messages": messages}


def _ultrafeedback(row: dict) -> tuple[str, dict]:
    chosen, rejected = (row[side][-1]["content"] for side in ("chosen", "rejected"))
    fields = {"prompt": row["prompt"], "chosen": chosen, "rejected": rejected}
    return _dialogue(row["chosen"]), fields


def _gsm8k(row: dict) -> tuple[str, dict]:
    worked, _, gold = row["answer"].rpartition("####")
    fields = {"question": row["question"], "worked": worked.strip(), "answer": gold.strip()}
    return f"{row['question']}\n{row['answer']}", fields


HUB = {
    "tinystories": HubSource(
        "roneneldan/TinyStories", "train", "CDLA-Sharing-1.0", "story", _plain("text")
    ),
    "fineweb-edu": HubSource(
        "HuggingFaceFW/fineweb-edu",
        "train",
        "ODC-By-1.0",
        "web",
        _plain("text"),
        config="sample-10BT",
    ),
    "fineweb": HubSource(
        "HuggingFaceFW/fineweb", "train", "ODC-By-1.0", "web", _web, config="sample-10BT"
    ),
    "refinedweb": HubSource("tiiuae/falcon-refinedweb", "train", "ODC-By-1.0", "web", _refinedweb),
    "pile": HubSource(
        "EleutherAI/pile",
        "train",
        "see each part",
        "mixture",
        _part,
        by_hand="its first home was taken down",
    ),
    "redpajama": HubSource(
        "togethercomputer/RedPajama-Data-1T",
        "train",
        "see each part",
        "mixture",
        _part,
        by_hand="its repository is a list of addresses",
    ),
    "dolma": HubSource(
        "allenai/dolma",
        "train",
        "ODC-By-1.0",
        "mixture",
        _dolma,
        by_hand="its repository is a list of addresses",
    ),
    "dolly": HubSource(
        "databricks/databricks-dolly-15k", "train", "CC-BY-SA-3.0", "instruction", _dolly
    ),
    "openassistant": HubSource(
        "OpenAssistant/oasst1", "train", "Apache-2.0", "message", _openassistant
    ),
    # gated: accept its terms on the hub and log in first
    "the-stack": HubSource(
        "bigcode/the-stack-dedup",
        "train",
        "see each record",
        "code",
        _plain("content"),
        row_licence="max_stars_repo_licenses",
    ),
    "ultrachat": HubSource("HuggingFaceH4/ultrachat_200k", "train_sft", "MIT", "chat", _ultrachat),
    "ultrafeedback": HubSource(
        "HuggingFaceH4/ultrafeedback_binarized", "train_prefs", "MIT", "preference", _ultrafeedback
    ),
    "gsm8k": HubSource("openai/gsm8k", "train", "MIT", "problem", _gsm8k, config="main"),
}


def hub(name: str, files: Sequence[str] | str | None = None) -> Iterator[Record]:
    """Records of a hub corpus, one at a time. `files`: local .parquet or .jsonl of its schema.

    Raises ValueError for a name that isn't listed, for a row without the expected columns and for
    a corpus that can't be streamed; ConnectionError where the hub can't be reached.
    """
    if name not in HUB:
        raise ValueError(f"hub:{name} is not one of {', '.join('hub:' + n for n in HUB)}")
    corpus = HUB[name]
    rows = _local_rows(files) if files else _hub_rows(name, corpus)
    for index, row in enumerate(rows):
        try:
            text, fields = corpus.read(row)
            licence = "; ".join(row[corpus.row_licence]) if corpus.row_licence else corpus.licence
        except KeyError as error:
            raise ValueError(
                f"hub:{name} row {index} has no column {error}; its columns are {', '.join(row)}"
            ) from error
        yield Record(
            f"hub:{name}/{index}", text, f"hub:{name}", licence, corpus.kind, fields=fields
        )


def best_threads(messages: Iterable[Record]) -> list[list[Record]]:
    """Conversations from the messages of OpenAssistant's trees: of each, the best-ranked path.

    A message without a rank comes after those with one; ties go to the first read.
    """
    roots, replies = [], {}
    for message in messages:
        parent = message.fields["parent_id"]
        (replies.setdefault(parent, []) if parent else roots).append(message)
    threads = []
    for message in roots:
        thread = [message]
        while answers := replies.pop(thread[-1].fields["message_id"], None):
            thread.append(min(answers, key=_rank))
        threads.append(thread)
    return threads


def _rank(message: Record) -> float:
    rank = message.fields["rank"]
    return float("inf") if rank is None else float(rank)


def _local_rows(files: Sequence[str] | str) -> Iterator[dict]:
    from datasets import load_dataset  # seconds to import: only where it is used

    files = [files] if isinstance(files, str) else list(files)
    form = "parquet" if files[0].endswith(".parquet") else "json"
    yield from load_dataset(form, data_files=files, split="train", streaming=True)


def _hub_rows(name: str, corpus: HubSource) -> Iterator[dict]:
    if corpus.by_hand:
        raise ValueError(
            f"hub:{name} can't be streamed from {corpus.path}: {corpus.by_hand}. "
            f'Fetch files of it and give them: source("hub:{name}", files=[…])'
        )
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise ConnectionError(_no_network(name, "HF_HUB_OFFLINE is set"))
    import httpx
    from datasets import load_dataset

    try:
        yield from load_dataset(corpus.path, corpus.config, split=corpus.split, streaming=True)
    except (ConnectionError, httpx.TransportError) as error:
        raise ConnectionError(_no_network(name, type(error).__name__)) from error


def _no_network(name: str, cause: str) -> str:
    return (
        f"hub:{name} is read from huggingface.co, which can't be reached ({cause}). Without a "
        'network, use the embedded default source("world"), or source("python_docs") for '
        "real text; or give local files of the same columns: "
        f'source("hub:{name}", files="data.parquet").'
    )
