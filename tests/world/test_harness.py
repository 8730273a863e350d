"""The tasks load in lm-eval, and an oracle scores 1 while a liar scores 0."""

import json
from pathlib import Path

import pytest

from course_lib.world.harness import TASKS, task_yaml, write_tasks


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    assert write_tasks(world, folder, n=12) == [f"world_{kind}" for kind in TASKS]
    return folder


def rows(folder: Path) -> dict[str, dict]:
    lines = [line for kind in TASKS for line in (folder / f"world_{kind}.jsonl").open()]
    return {row["prompt"]: row for row in map(json.loads, lines)}


def test_rows_hold_what_the_task_needs(folder):
    for row in rows(folder).values():
        if "choices" in row:
            assert row["gold"] in row["choices"][row["target"]]
            assert len(set(row["choices"])) == len(row["choices"])
        else:
            assert row["gold"].isdigit()


def test_lm_eval_gives_an_oracle_full_marks_and_a_liar_none(folder):
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    known = rows(folder)

    class Answerer(LM):
        """Knows every answer, and gives it or another one."""

        def __init__(self, lie: bool):
            super().__init__()
            self.lie = lie

        def loglikelihood(self, requests):
            found = []
            for request in requests:
                prompt, choice = request.args
                right = known[prompt]["choices"][known[prompt]["target"]] == choice.strip()
                found.append((0.0 if right != self.lie else -9.0, False))
            return found

        def loglikelihood_rolling(self, requests):
            raise NotImplementedError

        def generate_until(self, requests):
            golds = [known[request.args[0]]["gold"] for request in requests]
            said = [str(int(gold) + 100 * self.lie) for gold in golds]
            return [f" {n}. A has 1 egg. A has {n} eggs." for n in said]

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    for lie in (False, True):
        found = lm_eval.simple_evaluate(
            Answerer(lie),
            tasks=[f"world_{kind}" for kind in TASKS],
            task_manager=manager,
            bootstrap_iters=0,
        )["results"]
        for kind in TASKS:
            metric = "acc,none" if kind in ("fact", "where") else "exact_match,number"
            assert found[f"world_{kind}"][metric] == float(not lie), kind


def test_a_kind_without_a_task_is_refused():
    with pytest.raises(ValueError, match="kind 'stranger' has no task"):
        task_yaml("stranger", Path("x.jsonl"))
