"""Questions about the world, each with a reference reply and what a verifier needs.

fact      about a known person; held-out pairs are never asked in the corpus, only stated
sum       x plus or minus y; held-out sums are never asked in the corpus
where     a fresh tale, cut before its answer
count     a fresh counting story of 1 to 4 events, cut before its answer
stranger  a fact question about somebody of whom the corpus states nothing
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from course_lib.world.documents import write_count, write_tale
from course_lib.world.splits import check_split, document_split
from course_lib.world.trace import Options, Sampler
from course_lib.world.village import Village
from course_lib.world.vocabulary import UNKNOWN, shuffled

KINDS = ("fact", "sum", "where", "count", "stranger")


@dataclass(frozen=True)
class Question:
    """A question and its answer.

    `answer` is the full reference reply, `gold` its deciding word or number, `worked` the reply
    with its sums worked out (count alone), `steps` the number of events in the story. `meta` holds
    the `accepted` replies less their full stop (the grammar stands in `verify.py`), `choices` for
    multiple choice, and what the question is about.
    """

    kind: str
    prompt: str
    answer: str
    gold: str
    split: str
    steps: int = 0
    worked: str | None = None
    meta: dict = field(default_factory=dict)


def make_questions(
    village: Village, split: str, n: int, seed: int, kinds: tuple[str, ...] = KINDS
) -> list[Question]:
    """`n` questions of a split, the kinds in turn.

    In train, questions come with replacement, people in the proportions of the corpus. In
    validation and test no question comes twice; where a finite kind (fact, sum, stranger) has
    fewer questions than asked for, all of them come and the list is shorter.
    """
    check_split(split)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is unknown; use some of {', '.join(KINDS)}")
    per_kind = [n // len(kinds) + (i < n % len(kinds)) for i in range(len(kinds))]
    made = [
        _of_kind(village, kind, split, m, seed) for kind, m in zip(kinds, per_kind, strict=True)
    ]
    turns = max((len(questions) for questions in made), default=0)
    return [questions[i] for i in range(turns) for questions in made if i < len(questions)]


def _of_kind(village: Village, kind: str, split: str, n: int, seed: int) -> list[Question]:
    rng = Random(f"{kind}/{split}/{seed}")
    if kind in ("where", "count"):
        return _stories(village, kind, split, n, rng)
    pool, weights, ask = _finite_pool(village, kind, split)
    if split == "train":
        options = Options([""] * len(pool), weights)
        return [ask(village, *pool[options.draw(rng)], split) for _ in range(n)]
    return [ask(village, *key, split) for key in shuffled(pool, rng)[:n]]


def _finite_pool(village: Village, kind: str, split: str) -> tuple[list, list | None, Callable]:
    if kind == "fact":
        pairs = village.fact_pairs[split]
        return pairs, [village.weights[person] for person, _ in pairs], fact_question
    if kind == "sum":
        return village.sums[split], None, sum_question
    names = village.stranger_names[split]
    return (
        [(name, k) for name in names for k in range(len(village.words.attributes))],
        None,
        stranger_question,
    )


def fact_question(village: Village, person: int, k: int, split: str) -> Question:
    attribute, name, value = (
        village.words.attributes[k],
        village.names[person],
        village.value(person, k),
    )
    subjects = (name, "She" if village.is_she[person] else "He")
    stated = [attribute.state(who, value, phrase) for who in subjects for phrase in (0, 1)]
    return Question(
        "fact",
        attribute.ask(name),
        stated[0],
        value,
        split,
        meta={
            "person": name,
            "attribute": attribute.name,
            "choices": list(attribute.values),
            "accepted": [*(sentence.removesuffix(".") for sentence in stated), value],
        },
    )


def sum_question(village: Village, x: int, op: str, y: int, split: str) -> Question:
    gold = str(x + y if op == "plus" else x - y)
    equation = f"{x} {op} {y} is {gold}"
    return Question(
        "sum",
        f"What is {x} {op} {y}?",
        f"{equation}.",
        gold,
        split,
        steps=1,
        meta={"accepted": [equation, f"It is {gold}", gold]},
    )


def stranger_question(village: Village, name: str, k: int, split: str) -> Question:
    meta = {
        "person": name,
        "attribute": village.words.attributes[k].name,
        "accepted": [UNKNOWN[:-1]],
    }
    return Question(
        "stranger", village.words.attributes[k].ask(name), UNKNOWN, UNKNOWN, split, meta=meta
    )


def _stories(village: Village, kind: str, split: str, n: int, rng: Random) -> list[Question]:
    tell = _tell_count if kind == "count" else _tell_tale
    questions: list[Question] = []
    seen: set[str] = set()
    while len(questions) < n:
        question = tell(village, split, rng)
        if document_split(question.prompt, village.name_set) != split or question.prompt in seen:
            continue
        if split != "train":
            seen.add(question.prompt)
        questions.append(question)
    return questions


def _tell_tale(village: Village, split: str, rng: Random) -> Question:
    """A tale without running comments, as many events as the grammar gives it."""
    trace = Sampler(rng, {"comment": False})
    write_tale(village, trace)
    prompt, answer = _cut(trace.text)
    gold = trace.spans[-2].text.strip()
    subject = answer[: answer.index(" is in the")]
    steps = sum(word in ("went", "took", "dropped") for word in prompt.split())
    short = [f"{lead}{gold}" for lead in ("In the ", "in the ", "")]
    meta = {
        "about": subject,
        "choices": list(village.words.rooms),
        "accepted": [answer[:-1], *short],
    }
    return Question("where", prompt, answer, gold, split, steps, meta=meta)


def _tell_count(village: Village, split: str, rng: Random) -> Question:
    """A counting story; 1, 2, 3 and 4 events are equally likely."""
    events = 1 + int(rng.random() * 4)
    trace = Sampler(rng, {"comment": False, "worked": True, "another event": events - 1})
    write_count(village, trace)
    prompt, worked = _cut(trace.text)
    gold = trace.spans[-2].text.strip()
    *steps, last = worked.removesuffix(".").split(". ")
    answer = f"{last}."
    start = " ".join(worked.split()[:2])
    accepted = [worked[:-1], answer[:-1]]
    meta = {"person": answer.split()[0], "first_words": start, "accepted": accepted}
    return Question("count", prompt, answer, gold, split, len(steps), worked, meta)


def _cut(text: str) -> tuple[str, str]:
    at = text.rindex("?") + 1
    return text[:at], text[at:].strip()


def few_shot(
    village: Village, question: Question, shots: int = 2, seed: int = 0, worked: bool = False
) -> str:
    """The question in the corpus's own form, for a base model to go on with.

    Facts, sums and strangers become a quiz of `shots` train questions (at most 3: the corpus has
    no longer quiz) with this one last; stories stand alone. `worked=True` begins a count's first
    step ("7 plus"), which makes the model work its sums out.
    """
    if question.kind in ("where", "count"):
        start = question.meta.get("first_words")
        return f"{question.prompt} {start}" if worked and start else question.prompt
    if not 0 <= shots <= 3:
        raise ValueError(f"shots must be 0 to 3 (the corpus asks 4 questions at most), not {shots}")
    kind = "sum" if question.kind == "sum" else "fact"
    shown = _of_kind(
        village, kind, "train", shots, seed=Random(f"{seed}{question.prompt}").getrandbits(32)
    )
    lines = [f"Question: {shot.prompt}\nAnswer: {shot.gold}.\n" for shot in shown]
    return "".join(lines) + f"Question: {question.prompt}\nAnswer:"


def reply_of(question: Question, completion: str) -> str:
    """The part of a base model's completion that answers `question`: the first line of a quiz,
    the first sentence of a where, all of a count."""
    if question.kind == "count":
        return completion.strip()
    if question.kind == "where":
        return completion.partition(".")[0].strip() + "."
    return completion.strip().partition("\n")[0].strip()
