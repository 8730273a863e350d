"""The grammar: four kinds of document, each a function that makes its choices through a trace.

The probabilities of its yes-or-no decisions stand in HABITS; all other choices are uniform unless
the village says otherwise (people by Zipf's law, rooms near to somebody).
"""

from course_lib.world.trace import Options, Trace
from course_lib.world.village import KINDS, NUMBERS, OPERATIONS, Village

HABITS = {
    "bio: another fact, after two": 0.65,
    "quiz: another question, after two": 0.6,
    "quiz: about a fact (else a sum)": 0.7,
    "count: somebody brings (else takes)": 0.55,
    "count: another event": 0.6,
    "count: running totals": 0.3,
    "count: worked answer (else at once)": 0.5,
    "tale: two people (else one)": 0.5,
    "tale: another event": 0.72,
    "tale: running comment on the thing": 0.5,
    "tale: asks for the thing (else a person)": 0.5,
}
TAKE, DROP = 2.0, 0.7  # weights of the events of a tale; walking has 1

_BRINGS = HABITS["count: somebody brings (else takes)"]
_VERBS = Options([" brings", " takes"], [_BRINGS, 1 - _BRINGS], fault="causality")
_THING = HABITS["tale: asks for the thing (else a person)"]
_ASKED = {n: [_THING] + [(1 - _THING) / n] * n for n in (1, 2)}


def write(village: Village, trace: Trace) -> str:
    """Write one document; returns its kind."""
    kind = KINDS[trace.hide(village.kinds)]
    WRITERS[kind](village, trace)
    trace.end()
    return kind


def write_bio(village: Village, trace: Trace) -> None:
    """Two to five facts about a known person, in any order, each in one of two wordings."""
    person = trace.pick(village.known_people, "name")
    attributes = village.words.attributes
    left = 2 ** len(attributes) - 1
    for told in range(len(attributes)):
        if told >= 2 and not trace.toss(HABITS["bio: another fact, after two"], "another fact"):
            break
        if told:
            trace.pick(village.subject_options(person), "name")
        attribute = trace.pick(village.phrase_options(left)) // 2
        trace.tell(village.values[attribute], village.facts[person][attribute], "fact")
        trace.say(attributes[attribute].after)
        left &= ~(1 << attribute)


def write_quiz(village: Village, trace: Trace) -> None:
    """Two to four questions with short answers, about facts and sums of the train split."""
    for asked in range(village.words.quiz_questions):
        if asked >= 2 and not trace.toss(
            HABITS["quiz: another question, after two"], "another question"
        ):
            break
        about_fact = trace.toss(HABITS["quiz: about a fact (else a sum)"], "about a fact")
        trace.say("\nQuestion:" if asked else "Question:")
        if about_fact:
            _quiz_fact(village, trace)
        else:
            _quiz_sum(village, trace)
        trace.say(".")


def _quiz_fact(village: Village, trace: Trace) -> None:
    attribute = trace.pick(village.asks)
    person = trace.pick(village.quiz_people[attribute], "name")
    after = village.words.attributes[attribute].question.split("{name}")[1]
    trace.say(f"{after}\nAnswer:")
    trace.tell(village.values[attribute], village.facts[person][attribute], "fact")


def _quiz_sum(village: Village, trace: Trace) -> None:
    first, operations, second = village.quiz_sums
    trace.say(" What is")
    x = 1 + trace.pick(first, "number")
    op = OPERATIONS[trace.pick(operations[x - 1])]
    y = 1 + trace.pick(second[x, op], "number")
    trace.say("?\nAnswer:")
    trace.tell(NUMBERS, x + y if op == "plus" else x - y, "sum")


def write_count(village: Village, trace: Trace) -> None:
    """Somebody has things; up to four people bring or take some; how many are there at the end?

    The running total is given after each event ("comment"), or the sums are worked out in the
    answer ("worked"), or the answer comes at once.
    """
    owner = trace.pick(village.first_actors, "name")
    name = village.names[owner]
    trace.say(" has")
    total = 1 + trace.pick(village.start_numbers, "number")
    things = village.words.things[trace.pick(village.things)]
    trace.say(".")
    sums, comment = [], False
    for event in range(village.words.count_events):
        if event and not trace.toss(HABITS["count: another event"], "another event"):
            break
        before, (op, y) = total, _count_event(village, trace, owner, total)
        total = before + y if op == "plus" else before - y
        sums.append((before, op, y, total))
        if not event:
            comment = trace.toss(HABITS["count: running totals"], "comment")
        if comment:
            trace.say(", now")
            trace.tell(NUMBERS, total, "step")
        trace.say(".")
    worked = not comment and trace.toss(HABITS["count: worked answer (else at once)"], "worked")
    trace.say(f" How many {things} does {name} have?")
    for x, op, y, result in sums if worked else ():
        trace.say(f" {x} {op} {y} is", "copy")
        trace.tell(NUMBERS, result, "step")
        trace.say(".")
    trace.say(f" {name} has")
    trace.tell(NUMBERS, total, "copy" if comment or worked else "sum")
    trace.say(f" {things}.")


def _count_event(village: Village, trace: Trace, owner: int, total: int) -> tuple[str, int]:
    trace.pick(village.actors, "name", but=owner)
    takes = trace.pick(_VERBS, "event", but=1 if total == 0 else None)
    top = village.config.max_step
    y = 1 + trace.pick(village.step_numbers[min(top, total) if takes else top], "number")
    trace.say(" away" if takes else " more")
    return OPERATIONS[takes], y


class _Scene:
    """Where everybody and the one object of a tale are."""

    def __init__(self, people: dict[int, int]):
        self.people = people  # person -> room, in order of appearance
        self.room = -1  # of the object
        self.holder: int | None = None

    def events(self, village: Village) -> tuple[Options, list[tuple[str, int]]]:
        """Every event that can be said now; one that cannot happen has weight zero."""
        texts, weights, events = [], [], []
        for person, room in self.people.items():
            name = village.names[person]
            reachable = self.holder is None and room == self.room
            for verb, words, weight in (
                ("go", "went to the", 1.0),
                ("take", "took the", TAKE * reachable),
                ("drop", "dropped the", DROP * (self.holder == person)),
            ):
                texts.append(f" {name} {words}")
                weights.append(weight)
                events.append((verb, person))
        return Options(texts, weights, fault="causality"), events


def write_tale(village: Village, trace: Trace) -> None:
    """One or two people and an object: they walk, take it and drop it; where is it at the end?"""
    scene, thing = _tale_opening(village, trace)
    short = thing.split()[-1]
    comment = False
    for event in range(village.words.tale_events):
        if not trace.toss(HABITS["tale: another event"], "another event"):
            break
        _tale_event(village, trace, scene, thing)
        if not event:
            comment = trace.toss(HABITS["tale: running comment on the thing"], "comment")
        if comment:
            trace.say(f" So the {short} is in the")
            trace.tell(village.room_options(), scene.room, "step")
            trace.say(".")
    people = list(scene.people)
    asked = [f"the {thing}", *(village.names[person] for person in people)]
    questions = Options([f" Where is {what}?" for what in asked], _ASKED[len(people)])
    i = trace.pick(questions)
    trace.say(f" {asked[i][0].upper()}{asked[i][1:]} is in the")
    room = scene.people[people[i - 1]] if i else scene.room
    trace.tell(village.room_options(), room, "place")
    trace.say(".")


def _tale_opening(village: Village, trace: Trace) -> tuple[_Scene, str]:
    trace.pick(village.openings)
    first = trace.pick(village.actors, "name")
    trace.say(" was in the")
    people = {first: trace.pick(village.room_options(), "event")}
    if trace.toss(HABITS["tale: two people (else one)"], "two people"):
        trace.say(" and")
        second = trace.pick(village.actors, "name", but=first)
        trace.say(" was in the")
        people[second] = trace.pick(village.room_options(), "event")
    trace.say(".")
    adjective = village.words.adjectives[trace.pick(village.adjectives)]
    thing = f"{adjective} {village.words.objects[trace.pick(village.objects)]}"
    trace.say(" was in the")
    scene = _Scene(people)
    scene.room = trace.pick(village.room_options(tuple(people.values())), "event")
    trace.say(".")
    return scene, thing


def _tale_event(village: Village, trace: Trace, scene: _Scene, thing: str) -> None:
    options, events = scene.events(village)
    verb, person = events[trace.pick(options, "event")]
    if verb == "go":
        room = trace.pick(village.room_options(), "event", but=scene.people[person])
        trace.say(".")
        scene.people[person] = room
        if scene.holder == person:
            scene.room = room
        return
    trace.say(f" {thing}.")
    scene.holder = person if verb == "take" else None


WRITERS = {"bio": write_bio, "tale": write_tale, "count": write_count, "quiz": write_quiz}
