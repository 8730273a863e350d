"""Answers to the loader that forgets as learners write them: wrong with their hint, and right."""

from itertools import islice


def stream(state, size):
    epoch, row = state["epoch"], state["row"]
    while True:
        yield epoch, row
        row += 1
        if row == size:
            epoch, row = epoch + 1, 0


def by_a_stream(state, size, batch_rows, rank, world):
    whole = list(islice(stream(state, size), batch_rows + 1))
    epoch, row = whole.pop()
    return whole[rank::world], {"epoch": epoch, "row": row}


def by_a_loop(state, size, batch_rows, rank, world):
    epoch, row, mine = state["epoch"], state["row"], []
    for i in range(batch_rows):
        if i % world == rank:
            mine.append((epoch, row))
        row += 1
        if row >= size:
            row = 0
            epoch += 1
    return mine, dict(epoch=epoch, row=row)


def by_remainders(state, size, batch_rows, rank, world):
    def place(i):
        at = state["row"] + i
        return state["epoch"] + at // size, at % size

    epoch, row = place(batch_rows)
    return [place(i) for i in range(rank, batch_rows, world)], {"epoch": epoch, "row": row}


def forgets_the_rank(state, size, batch_rows, rank, world):
    whole, after = by_a_stream(state, size, batch_rows, 0, 1)
    return whole[: len(whole) // world], after


def saves_its_own_progress(state, size, batch_rows, rank, world):
    mine, _ = by_a_stream(state, size, batch_rows, rank, world)
    return mine, by_a_stream(state, size, len(mine), 0, 1)[1]


def starts_the_epoch_when_the_batch_does_not_fit(state, size, batch_rows, rank, world):
    if size - state["row"] < batch_rows:
        state = dict(epoch=state["epoch"] + 1, row=0)
    return by_a_loop(state, size, batch_rows, rank, world)


def keeps_the_old_epoch_number(state, size, batch_rows, rank, world):
    mine, after = by_a_loop(state, size, batch_rows, rank, world)
    return [(state["epoch"], row) for _, row in mine], after


def gives_out_blocks(state, size, batch_rows, rank, world):
    whole, after = by_a_stream(state, size, batch_rows, 0, 1)
    n = batch_rows // world
    return whole[rank * n :][:n], after


def saves_the_last_row(state, size, batch_rows, rank, world):
    whole = list(islice(stream(state, size), batch_rows))
    return whole[rank::world], {"epoch": whole[-1][0], "row": whole[-1][1]}


def never_leaves_the_epoch(state, size, batch_rows, rank, world):
    rows = range(state["row"] + rank, state["row"] + batch_rows, world)
    after = {"epoch": state["epoch"], "row": state["row"] + batch_rows}
    return [(state["epoch"], row) for row in rows], after


def moves_the_state_it_was_given(state, size, batch_rows, rank, world):
    mine, after = by_a_loop(state, size, batch_rows, rank, world)
    state.update(after)
    return mine, state


WRONG = {
    forgets_the_rank: "Every rank takes the same rows",
    saves_its_own_progress: "Your state counts the rows of this rank",
    starts_the_epoch_when_the_batch_does_not_fit: "you drop them",
    keeps_the_old_epoch_number: "the epoch of each row must be its own",
    gives_out_blocks: "a block of neighbouring rows",
    saves_the_last_row: "The state names the last row",
    never_leaves_the_epoch: "You have",
    moves_the_state_it_was_given: "in place",
}
RIGHT = [by_a_stream, by_a_loop, by_remainders]
