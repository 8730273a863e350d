"""The instant check of the exercise *the loader that forgets*."""

import random
from collections.abc import Callable

from course_lib.checks._report import CheckReport, run_check

State = dict[str, int]
Rows = list[tuple[int, int]]


def next_batch(fn: Callable) -> CheckReport:
    """One step of a loader: fn(state, size, batch_rows, rank, world) -> (rows, new state).

    state: {"epoch": e, "row": r}, the next row of the global sequence. size: rows in an epoch.
    rows: (epoch, row) pairs for this rank.
    """
    generator = random.Random(0)
    cases = [({"epoch": 0, "row": 0}, 10, 4, 0, 1), ({"epoch": 0, "row": 8}, 10, 4, 1, 2),
             *(_random_case(generator) for _ in range(30))]
    return run_check("The next batch", fn, cases, next_batch_reference, NEXT_BATCH_MISTAKES)


def next_batch_reference(state: State, size: int, batch_rows: int, rank: int, world: int
                         ) -> tuple[Rows, State]:
    """Walk the global sequence by batch_rows; this rank takes every world-th row from its own."""
    rows, end = _walk(state, size, batch_rows)
    return rows[rank::world], end


def _walk(state: State, size: int, count: int) -> tuple[Rows, State]:
    first = state["epoch"] * size + state["row"]
    rows = [divmod(place, size) for place in range(first, first + count)]
    epoch, row = divmod(first + count, size)
    return rows, {"epoch": epoch, "row": row}


def _all_take_all(state, size, batch_rows, rank, world):
    rows, end = _walk(state, size, batch_rows)
    return rows[: batch_rows // world], end


def _own_rows_only(state, size, batch_rows, rank, world):
    rows, _ = _walk(state, size, batch_rows)
    return rows[rank::world], _walk(state, size, batch_rows // world)[1]


def _drops_the_tail(state, size, batch_rows, rank, world):
    if state["row"] + batch_rows > size:
        state = {"epoch": state["epoch"] + 1, "row": 0}
    return next_batch_reference(state, size, batch_rows, rank, world)


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


NEXT_BATCH_MISTAKES = {
    "Every rank takes the same rows. Each must begin at its own number: `rows[rank::world]`.":
        _all_take_all,
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
    "The state keeps the epoch and forgets the row: each restart begins the epoch anew.":
        _forgets_the_row,
}


def _random_case(generator: random.Random) -> tuple[State, int, int, int, int]:
    world = generator.choice((1, 2, 3, 4))
    size, batch_rows = generator.randint(13, 40), 12
    state = {"epoch": generator.randint(0, 3), "row": generator.randrange(size)}
    return state, size, batch_rows, generator.randrange(world), world
