"""A paged cache of keys and values: which place of the store each token of a request gets."""

import random
from collections.abc import Callable

from course_lib.checks.exercise import Case, Exercise, Property

Event = tuple[str, str, int]
Played = tuple[list[list[int] | None], dict[str, list[int]]]


def _cases(seed: int) -> list[Case]:
    draw = random.Random(seed)

    def grow(name: str, least: int, most: int) -> Event:
        return ("append", name, draw.randint(least, most))

    return [
        Case("one request, token by token", (2, [("append", "a", 1)] * draw.randint(6, 9))),
        Case("one request, some tokens at a time", (24, [grow("a", 3, 30) for _ in range(4)])),
        Case("two requests in turn", (30, [grow(name, 2, 25) for name in "abababab"])),
        Case(
            "a request ends, and another one comes",
            (
                draw.randint(9, 12),
                [
                    grow("a", 9, 20),
                    grow("b", 9, 20),
                    ("free", "a", 0),
                    grow("b", 9, 30),
                    grow("c", 5, 20),
                    ("free", "b", 0),
                    grow("d", 20, 40),
                ],
            ),
        ),
        Case(
            "more tokens than there is room for",
            (
                draw.randint(3, 4),
                [
                    grow("a", 9, 11),
                    grow("b", 60, 90),
                    grow("b", 2, 3),
                    grow("a", 1, 5),
                    grow("c", 70, 90),
                    ("free", "b", 0),
                    grow("a", 1, 6),
                ],
            ),
        ),
        Case(
            "a request ends, and comes again under its name",
            (
                draw.randint(12, 14),
                [grow("a", 5, 11), ("free", "a", 0), grow("b", 2, 9), grow("a", 9, 20)],
            ),
        ),
        Case("many requests", (draw.randint(14, 18), _traffic(draw, 40))),
        Case(
            "a block exactly full",
            (
                6,
                [("append", "a", 16), ("append", "b", 16), ("append", "a", 1), ("append", "b", 16)],
            ),
        ),
        Case("no event", (3, []), edge=True),
        Case("no block", (0, [("append", "a", draw.randint(1, 5))]), edge=True),
        Case("no token", (2, [("append", "a", 0), grow("b", 1, 4)]), edge=True),
    ]


def _traffic(draw: random.Random, count: int) -> list[Event]:
    """Requests that come, grow and go, more of them than fit."""
    events, names, here = [], iter("abcdefghijklmnopqrstuvwxyz"), []
    for _ in range(count):
        if not here or (len(here) < 5 and draw.random() < 0.3):
            here.append(next(names, "z"))
        name = draw.choice(here)
        if draw.random() < 0.2:
            here.remove(name)
            events.append(("free", name, 0))
        else:
            events.append(("append", name, draw.randint(1, 24)))
    return events


def _blocks(old: int, new: int, size: int) -> int:
    """How many more blocks a request of ``old`` tokens needs to hold ``new``."""
    return -(-new // size) - -(-old // size)


def _play(
    n_blocks: int,
    events: list[Event],
    BLOCK: int,
    *,
    needed: Callable[[int, int, int], int] = _blocks,
    take: Callable[[list[int]], int] = min,
    place: Callable[[int, int, int], int] = lambda block, at, size: block * size + at % size,
    start: Callable[[int, int], int] = lambda old, room: old,
    refuses: bool = True,
    keeps: bool = False,
    forgets: bool = True,
) -> Played:
    """Play the events on an empty store, with one thing to get wrong at a time."""
    free, tables, lengths, results = list(range(n_blocks)), {}, {}, []
    for kind, name, count in events:
        table, old = tables.get(name, []), lengths.get(name, 0)
        if kind == "free":
            results.append(tables.pop(name, []))
            free += [] if keeps else table
            if forgets:
                lengths.pop(name, None)
            continue
        wanted = needed(old, old + count, BLOCK)
        if wanted > len(free) and refuses:
            results.append(None)
            continue
        first = start(old, len(table) * BLOCK)
        for _ in range(min(wanted, len(free))):
            table = [*table, take(free)]
            free.remove(table[-1])
        here = [at for at in range(first, first + count) if at // BLOCK < len(table)]
        results.append([place(table[at // BLOCK], at, BLOCK) for at in here])
        lengths[name] = old + len(here)
        if table:
            tables[name] = table
    return results, tables


def _right(n_blocks: int, events: list[Event], BLOCK: int) -> Played:
    return _play(n_blocks, events, BLOCK)


def _wrong(**change) -> Callable:
    return lambda n_blocks, events, BLOCK: _play(n_blocks, events, BLOCK, **change)


def _places_are_shared(answer: Callable, seed: int) -> str | None:
    """No two tokens that are there at the same time have the same place."""
    events = _traffic(random.Random(seed), 30)
    results, _ = answer(12, events)
    here: dict[str, list[int]] = {}
    for (kind, name, _), got in zip(events, results, strict=True):
        if kind == "free":
            here.pop(name, None)
        elif got is not None:
            here.setdefault(name, []).extend(got)
            taken = [at for places in here.values() for at in places]
            if len(set(taken)) < len(taken):
                return f"After an append to {name!r} two tokens have one place: one is overwritten."
    return None


_MISTAKES = {
    "Every append begins a new block. The last block of a request may have room: fill it first.": (
        _wrong(
            needed=lambda old, new, size: -(-(new - old) // size),
            start=lambda old, room: room,
        )
    ),
    "You take a block one token too early: a block that is exactly full needs no other until the "
    "next token comes. Blocks for n tokens: n divided by BLOCK, rounded up.": _wrong(
        needed=lambda old, new, size: new // size + 1 - (old // size + 1 if old else 0)
    ),
    "You forget the blocks that the request has already, and take as many as all its "
    "tokens need.": _wrong(needed=lambda old, new, size: -(-new // size)),
    "Block and offset are swapped: token t stands in the table's column t // BLOCK, at offset "
    "t % BLOCK of that block.": _wrong(place=lambda block, at, size: (at % size) * size + block),
    "A place of the store is block times BLOCK, plus the offset. You added the block itself.": (
        _wrong(place=lambda block, at, size: block + at % size)
    ),
    "You give the place in the request, not in the store: look the block up in the table.": _wrong(
        place=lambda block, at, size: at
    ),
    "Where there isn't room for all tokens you take what is left. Nothing may change then, and the "
    "result is None: else two half requests wait for each other for ever.": _wrong(refuses=False),
    "The blocks of a request that ended don't come back: the store fills up with nobody's keys.": (
        _wrong(keeps=True)
    ),
    "A request's count survives its end: one that comes again under its name begins with token 0, "
    "and has no block yet.": _wrong(forgets=False),
    "Each append begins at the request's first token again, over the old keys. Count its tokens.": (
        _wrong(start=lambda old, room: 0)
    ),
    "You take the highest free block. Any would do; the check wants the lowest, to compare.": (
        _wrong(take=max)
    ),
    "You take the block that has been free for longest. Any would do; the check wants the lowest "
    "number, to compare: sort what comes back.": _wrong(take=lambda free: free[0]),
    "You take the block at the end of the list, the one that came back last. Any would do; the "
    "check wants the lowest number, to compare.": _wrong(take=lambda free: free[-1]),
}

paged_cache = Exercise(
    name="deployment/paged_cache",
    title="A paged cache",
    answer="my_pages",
    kind="build",
    minutes=45,
    points=15,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("no two tokens share a place", _places_are_shared),),
    constants={"BLOCK": (4, 8, 16)},
)
