"""Tasks of our own in lm-eval's form, beside those of `course_lib.world.harness`.

A task is a YAML file that says where the questions lie, how a prompt is made of a row, what kind
of request it is, and how a reply becomes a score.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from course_lib.architecture.sampling.generate import MAX_NEW_TOKENS
from course_lib.world import Question

_TASK = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
metadata:
  version: 1.0
"""

_TEXT = """\
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - metric: bits_per_byte
"""

_CHAT = f"""\
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{gold}}}}"
generation_kwargs:
  do_sample: false
  temperature: 0.0
  max_gen_toks: {MAX_NEW_TOKENS}
  until:
    - "<|end|>"
filter_list:
  - name: last_number
    filter:
      - function: regex
        regex_pattern: '(\\d+)'
        group_select: -1
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


def write_text_task(texts: Sequence[str], folder: Path, name: str = "world_text") -> str:
    """A task that measures bits a byte of whole documents; returns its name."""
    return _write(folder, name, [{"text": text} for text in texts], _TEXT)


def write_chat_task(questions: Sequence[Question], folder: Path, name: str = "world_chat") -> str:
    """A task that asks in the chat format and compares the last number of the reply.

    For sums and counts, whose `gold` is a number. Run it with `chat=True`.
    """
    rows = [{"prompt": question.prompt, "gold": question.gold} for question in questions]
    odd = next((row for row in rows if not row["gold"].isdigit()), None)
    if odd is not None:
        raise ValueError(f"the answer {odd['gold']!r} is no number: this task compares numbers")
    return _write(folder, name, rows, _CHAT)


def _write(folder: Path, name: str, rows: list[dict], body: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    head = _TASK.format(name=name, data=json.dumps(str(data.resolve())))
    (folder / f"{name}.yaml").write_text(head + body, encoding="utf-8")
    return name
