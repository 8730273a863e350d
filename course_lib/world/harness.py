"""The world's questions as tasks of lm-eval (EleutherAI's evaluation harness, 0.4.x).

Facts and rooms become multiple choice: the harness compares log p(" " + choice | prompt).
Sums and counts are generated, a regular expression takes the number, and it must match exactly.
"""

import json
from pathlib import Path

from course_lib.world.questions import Question
from course_lib.world.world import World

TASKS = ("fact", "where", "sum", "count")

_HEAD = """\
# Written by course_lib.world.harness; run with lm_eval --include_path <this folder>.
task: world_{kind}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
doc_to_text: "{{{{prompt}}}}"
metadata:
  version: 1.0
"""

_CHOICE = """\
output_type: multiple_choice
doc_to_choice: "{{choices}}"
doc_to_target: "{{target}}"
target_delimiter: " "
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""

_GENERATE = """\
output_type: generate_until
doc_to_target: "{{{{gold}}}}"
generation_kwargs:
  do_sample: false
  temperature: 0.0
  max_gen_toks: {tokens}
  until:
    - "\\n"
filter_list:
  - name: number
    filter:
      - function: regex
        regex_pattern: '{pattern}'
        group_select: {which}
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


def task_row(world: World, question: Question, shots: int = 2, seed: int = 0) -> dict:
    """One line of a task's data: the prompt in the corpus's own form, and what is right."""
    row = {"prompt": world.few_shot(question, shots, seed), "gold": question.gold}
    if question.kind == "fact":
        choices = [f"{value}." for value in question.meta["choices"]]
        return {**row, "choices": choices, "target": choices.index(f"{question.gold}.")}
    if question.kind == "where":
        lead = question.answer.removesuffix(f" {question.gold}.")
        choices = [f"{lead} {room}." for room in question.meta["choices"]]
        return {**row, "choices": choices, "target": choices.index(question.answer)}
    return row


def task_yaml(kind: str, data: Path) -> str:
    """The task's definition; `data` is the JSON-lines file beside it."""
    if kind not in TASKS:
        raise ValueError(f"kind {kind!r} has no task; use one of {', '.join(TASKS)}")
    head = _HEAD.format(kind=kind, data=json.dumps(str(data.resolve())))
    if kind in ("fact", "where"):
        return head + _CHOICE
    if kind == "sum":  # the first number of the line
        return head + _GENERATE.format(tokens=8, pattern=r"(\d+)", which=0)
    return head + _GENERATE.format(tokens=64, pattern=r" has (\d+) ", which=-1)  # the last total


def write_tasks(
    world: World, folder: Path, split: str = "test", n: int = 200, shots: int = 2, seed: int = 0
) -> list[str]:
    """Write a YAML and a JSON-lines file for each kind; returns the tasks' names."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for kind in TASKS:
        questions = world.questions(split, n, seed, (kind,))
        data = folder / f"world_{kind}.jsonl"
        rows = [json.dumps(task_row(world, question, shots, seed)) for question in questions]
        data.write_text("\n".join(rows) + "\n", encoding="utf-8")
        (folder / f"world_{kind}.yaml").write_text(task_yaml(kind, data), encoding="utf-8")
    return [f"world_{kind}" for kind in TASKS]
