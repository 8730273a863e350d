"""The loader that forgets: the next batch of a global sequence, for any number of ranks."""

import random

from course_lib.checks.exercise import Case, Exercise

State = dict[str, int]
Rows = list[tuple[int, int]]


def _cases(seed: int) -> list[Case]:
    """Two ranks or more wherever a point is to be won: a loader that forgets them fails there."""
    draw = random.Random(seed)
    size, epoch = draw.randint(30, 40), draw.randint(1, 3)
    row = draw.randint(3, 9)

    def at(epoch: int, row: int) -> State:
        return {"epoch": epoch, "row": row}

    cases = [
        Case("two ranks, in the middle of an epoch", (at(epoch, row), size, 6, 1, 2)),
        Case("three ranks, in the middle of an epoch", (at(0, row), size, 12, 2, 3)),
        Case("a batch that crosses into the next epoch", (at(epoch, size - 5), size, 12, 1, 2)),
        Case("a batch that ends with the epoch", (at(epoch, size - 8), size, 8, 3, 4)),
        Case("a batch of more rows than two epochs", (at(0, draw.randint(1, 2)), 5, 12, 1, 2)),
        Case("the first of four ranks", (at(2, draw.randrange(size)), size, 12, 0, 4)),
        Case("the same state, the last of three", (at(2, draw.randrange(size)), size, 12, 2, 3)),
    ]
    single = Case("a single rank", (at(0, draw.randint(0, 9)), size, 4, 0, 1), edge=True)
    return [*cases, single, Case("an epoch of one row", (at(epoch, 0), 1, 4, 1, 2), edge=True)]


def _next_batch(
    state: State, size: int, batch_rows: int, rank: int, world: int
) -> tuple[Rows, State]:
    """Walk the global sequence by batch_rows; this rank takes every world-th row from its own."""
    rows, end = _walk(state, size, batch_rows)
    return rows[rank::world], end


def _walk(state: State, size: int, count: int) -> tuple[Rows, State]:
    first = state["epoch"] * size + state["row"]
    rows = [divmod(place, size) for place in range(first, first + count)]
    epoch, row = divmod(first + count, size)
    return rows, {"epoch": epoch, "row": row}


def _colleagues(state, size, batch_rows, rank, world):
    mine = range(state["row"], state["row"] + batch_rows // world)
    if mine.stop > size:
        if state["row"] == 0:
            raise RecursionError("an epoch is shorter than this rank's part of a batch")
        return _colleagues({"epoch": state["epoch"] + 1, "row": 0}, size, batch_rows, rank, world)
    return [(state["epoch"], row) for row in mine], {"epoch": state["epoch"], "row": mine.stop}


def _all_take_all(state, size, batch_rows, rank, world):
    rows, end = _walk(state, size, batch_rows)
    return rows[: batch_rows // world], end


def _own_rows_only(state, size, batch_rows, rank, world):
    rows, _ = _walk(state, size, batch_rows)
    return rows[rank::world], _walk(state, size, batch_rows // world)[1]


def _drops_the_tail(state, size, batch_rows, rank, world):
    if state["row"] + batch_rows > size:
        state = {"epoch": state["epoch"] + 1, "row": 0}
    return _next_batch(state, size, batch_rows, rank, world)


def _same_epoch_twice(state, size, batch_rows, rank, world):
    rows, end = _walk(state, size, batch_rows)
    return [(state["epoch"], row) for _, row in rows][rank::world], end


def _cuts_the_tail_short(state, size, batch_rows, rank, world):
    count = min(batch_rows, size - state["row"])
    rows, end = _walk(state, size, count)
    return rows[rank::world], end


def _blocks(state, size, batch_rows, rank, world):
    rows, end = _walk(state, size, batch_rows)
    share = batch_rows // world
    return rows[rank * share : (rank + 1) * share], end


def _last_row_again(state, size, batch_rows, rank, world):
    rows, _ = _walk(state, size, batch_rows)
    return rows[rank::world], dict(zip(("epoch", "row"), rows[-1], strict=True))


def _forgets_the_row(state, size, batch_rows, rank, world):
    rows, end = _walk(state, size, batch_rows)
    return rows[rank::world], {"epoch": end["epoch"], "row": 0}


_MISTAKES = {
    "This is still the colleague's loader. Ask it for the rows of rank 0 and of rank 1 of two, "
    "and compare the answers.": _colleagues,
    "Every rank takes the same rows. Each must begin at its own number: `rows[rank::world]`.": (
        _all_take_all
    ),
    "Your state counts the rows of this rank. It must count the rows of all: a run that goes on on "
    "another number of ranks would read rows again, or leave some out.": _own_rows_only,
    "Where the epoch's last rows don't fill a batch, you drop them: those documents are never "
    "read. Go on into the next epoch within the same batch.": _drops_the_tail,
    "A batch that crosses into the next epoch takes its last rows from the old one: the epoch "
    "of each row must be its own, since every epoch is shuffled anew.": _same_epoch_twice,
    "Your last batch of an epoch is smaller. Ranks then get different numbers of rows and wait for "
    "each other forever: fill it from the next epoch.": _cuts_the_tail_short,
    "Each rank takes a block of neighbouring rows. On another number of ranks the blocks fall "
    "elsewhere inside the batch: take every world-th row, as the exercise says.": _blocks,
    "The state names the last row that was read, so a resumed run reads it twice. It must name the "
    "next one.": _last_row_again,
    "The state keeps the epoch and forgets the row: each restart begins the epoch anew.": (
        _forgets_the_row
    ),
}

next_batch = Exercise(
    name="data/loader_resume",
    title="The loader that forgets",
    answer="next_batch",
    kind="diagnose",
    minutes=30,
    points=15,
    cases=_cases,
    reference=_next_batch,
    mistakes=_MISTAKES,
)
