"""Real corpora from the Hugging Face hub, streamed: the `hub:` sources of profiles with a network.

Every one also reads local files of the same columns (`files=`), which is how the tests hold these
readers to their schemas without a network.
"""

import os
from collections.abc import Callable, Iterator, Sequence
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


def _plain(column: str) -> Callable[[dict], tuple[str, dict]]:
    return lambda row: (row[column], {})


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
    "tinystories": HubSource("roneneldan/TinyStories", "train", "CDLA-Sharing-1.0", "story",
                             _plain("text")),
    "fineweb-edu": HubSource("HuggingFaceFW/fineweb-edu", "train", "ODC-By-1.0", "web",
                             _plain("text"), config="sample-10BT"),
    # gated: accept its terms on the hub and log in first
    "the-stack": HubSource("bigcode/the-stack-dedup", "train", "see each record", "code",
                           _plain("content"), row_licence="max_stars_repo_licenses"),
    "ultrachat": HubSource("HuggingFaceH4/ultrachat_200k", "train_sft", "MIT", "chat",
                           _ultrachat),
    "ultrafeedback": HubSource("HuggingFaceH4/ultrafeedback_binarized", "train_prefs", "MIT",
                               "preference", _ultrafeedback),
    "gsm8k": HubSource("openai/gsm8k", "train", "MIT", "problem", _gsm8k, config="main"),
}


def hub(name: str, files: Sequence[str] | str | None = None) -> Iterator[Record]:
    """Records of a hub corpus, one at a time. `files`: local .parquet or .jsonl of its schema.

    Raises ValueError for a name that isn't listed and for a row without the expected columns,
    ConnectionError where the hub can't be reached.
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
            raise ValueError(f"hub:{name} row {index} has no column {error}; "
                             f"its columns are {', '.join(row)}") from error
        yield Record(f"hub:{name}/{index}", text, f"hub:{name}", licence, corpus.kind,
                     fields=fields)


def _local_rows(files: Sequence[str] | str) -> Iterator[dict]:
    from datasets import load_dataset  # seconds to import: only where it is used

    files = [files] if isinstance(files, str) else list(files)
    form = "parquet" if files[0].endswith(".parquet") else "json"
    yield from load_dataset(form, data_files=files, split="train", streaming=True)


def _hub_rows(name: str, corpus: HubSource) -> Iterator[dict]:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise ConnectionError(_no_network(name, "HF_HUB_OFFLINE is set"))
    import httpx
    from datasets import load_dataset

    try:
        yield from load_dataset(corpus.path, corpus.config, split=corpus.split, streaming=True)
    except (ConnectionError, httpx.TransportError) as error:
        raise ConnectionError(_no_network(name, type(error).__name__)) from error


def _no_network(name: str, cause: str) -> str:
    return (f"hub:{name} is read from huggingface.co, which can't be reached ({cause}). Without a "
            "network, use the embedded default source(\"world\"), or source(\"python_docs\") for "
            "real text; or give local files of the same columns: "
            f"source(\"hub:{name}\", files=\"data.parquet\").")
