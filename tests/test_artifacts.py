"""The store: content-addressed, atomic, checked, resumable, one builder at a time."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import save_file

from course_lib import artifacts, imports, lineage, profile
from course_lib.artifacts import Recipe, ensure, folder, load


@dataclass(frozen=True, kw_only=True)
class Numbers:
    count: int = 3


def build_numbers(config, parents, out, work, progress):
    calls = work.parent / "calls"
    calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
    offset = 0
    if "numbers" in parents:
        offset = len(json.loads((parents["numbers"] / "numbers.json").read_text()))
    (out / "numbers.json").write_text(json.dumps(list(range(offset, offset + config.count))))
    save_file({"ones": torch.ones(config.count)}, out / "ones.safetensors")
    progress(1.0, "done")
    return {"count": config.count}


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setattr(artifacts, "_code", _same_code)
    artifacts._key.cache_clear()
    return tmp_path


def _same_code(module) -> str:
    """These recipes live in a test, outside of course_lib, where code isn't hashed."""
    return "code"


def numbers(count: int = 3, **more) -> Recipe:
    return Recipe(name="numbers", build=build_numbers, config=Numbers(count=count), **more)


def test_built_once_then_loaded(store):
    first, second = ensure(numbers()), ensure(numbers())
    assert first.path == second.path
    assert (store / "work" / "calls").read_text() == "x"
    assert first.figures == {"count": 3.0}
    assert json.loads((first.path / "numbers.json").read_text()) == [0, 1, 2]


def test_key_moves_with_config_and_parents():
    parent, other = numbers(3), numbers(4)
    assert parent.key != other.key
    child = Recipe(name="child", build=build_numbers, config=Numbers(), parents=(parent,))
    step = Recipe(name="child", build=build_numbers, config=Numbers(), parents=(other,))
    assert child.key != step.key
    assert json.loads((ensure(child).path / "numbers.json").read_text()) == [3, 4, 5]


def test_key_ignores_comments_but_not_code():
    assert imports.source_hash("x = 1  # one\n") == imports.source_hash('"""One."""\nx = 1\n')
    assert imports.source_hash("x = 1\n") != imports.source_hash("x = 2\n")


@pytest.mark.parametrize("damage", ["cut", "flip", "delete", "manifest"])
def test_damage_is_refused_by_name_and_rebuilt(damage, capsys):
    made = ensure(numbers())
    victim = made.path / ("manifest.json" if damage == "manifest" else "ones.safetensors")
    content = victim.read_bytes()
    if damage == "delete":
        victim.unlink()
    elif damage == "flip":
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        victim.write_bytes(content[: len(content) // 2])
    with pytest.raises(artifacts.Damaged, match=victim.name):
        load(numbers())
    again = ensure(numbers())
    assert victim.name in capsys.readouterr().err
    assert (again.path / "ones.safetensors").stat().st_size > 0
    assert load(numbers()).figures == {"count": 3.0}


def test_where_a_build_runs_is_told_to_it_and_leaves_key_and_threads_alone():
    def build_with(config, parents, out, work, progress, *, device):
        (out / "where.json").write_text(json.dumps([device, torch.get_num_threads()]))
        return {}

    before = torch.get_num_threads()
    plain = Recipe(name="where", build=build_with, config=Numbers())
    recipe = Recipe(
        name="where",
        build=build_with,
        config=Numbers(),
        where={"device": "meta"},
        threads=before + 1,
    )
    assert recipe.key == plain.key
    assert json.loads((ensure(recipe).path / "where.json").read_text()) == ["meta", before + 1]
    assert torch.get_num_threads() == before


def test_only_safetensors_and_json(store):
    def build_pickle(config, parents, out, work, progress):
        (out / "weights.pkl").write_bytes(b"x")
        return {}

    recipe = Recipe(name="pickle", build=build_pickle, config=Numbers())
    with pytest.raises(ValueError, match="weights.pkl"):
        ensure(recipe)
    assert load(recipe) is None


def test_failed_build_leaves_nothing_visible_and_keeps_its_work():
    def build_broken(config, parents, out, work, progress):
        (work / "step.json").write_text("7")
        (out / "half.json").write_text("[")
        raise OSError(28, "No space left on device")

    recipe = Recipe(name="broken", build=build_broken, config=Numbers())
    with pytest.raises(OSError, match="No space left"):
        ensure(recipe)
    assert not folder(recipe).exists()
    work = folder(recipe).parents[1] / "work" / folder(recipe).name
    assert (work / "step.json").read_text() == "7"


# The build prints each step. hold: the step at which it stays until it is killed, -1 for none.
SLOW = """
import sys, time
sys.path.insert(0, {tests!r})
from test_artifacts import Numbers
from course_lib import artifacts
from course_lib.artifacts import Recipe, ensure

artifacts._code = lambda module: "code"

def build_slow(config, parents, out, work, progress):
    log = work / "steps"
    done = len(log.read_text()) if log.exists() else 0
    for step in range(done, 6):
        with log.open("a") as file:
            file.write("x")
        print(step, flush=True)
        time.sleep(600 if step == {hold} else 0.05)
    (out / "steps.json").write_text(str(done))
    return {{"resumed_at": done}}

print("resumed at", ensure(Recipe(name="slow", build=build_slow, config=Numbers())).figures)
"""


def _start(store, hold: int = -1) -> subprocess.Popen:
    code = SLOW.format(tests=os.path.dirname(__file__), hold=hold)
    environment = {**os.environ, "COURSE_HOME": str(store)}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_killed_build_goes_on_where_it_was(store):
    first = _start(store, hold=1)
    assert first.stdout.readline() == "0\n" and first.stdout.readline() == "1\n"
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = _start(store)
    out, _ = second.communicate(timeout=300)
    assert second.returncode == 0
    assert out.splitlines()[0] == "2", "steps 0 and 1 were done before the kill"


def test_two_builders_build_once(store):
    both = [_start(store), _start(store)]
    out = [process.communicate(timeout=300)[0] for process in both]
    assert sum(text.count("\n") - 1 for text in out) == 6, "six steps in all, by one of the two"


def test_lineage_is_a_chain_and_its_names_are_checked():
    made = lineage.recipes(profile.CPU)
    assert tuple(made) == lineage.STAGES
    assert [p.name for p in made["aligned"].parents] == ["corpus", "tokenizer", "sft"]
    with pytest.raises(ValueError, match="expected corpus, tokenizer"):
        lineage.recipe("bsae")
    seeded = lineage.recipes(profile.CPU, seed=1)
    assert seeded["tokenizer"].key == made["tokenizer"].key
    assert seeded["base"].key != made["base"].key


def test_profile_names_are_checked(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "laptop")
    with pytest.raises(ValueError, match="'laptop': expected one of cpu, colab, gpu, auto"):
        profile.current()
    monkeypatch.setenv("COURSE_PROFILE", "auto")
    expected = "cpu" if not torch.cuda.is_available() else ("colab", "gpu")
    assert profile.current().name in expected
