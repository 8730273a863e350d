"""Answers to the paged cache as learners write them: wrong with their hint, and right."""

import heapq
import math

BLOCK = 4


def by_a_sorted_list(n_blocks, events):
    free, tables, lengths, results = list(range(n_blocks)), {}, {}, []
    for kind, name, count in events:
        if kind == "free":
            table = tables.pop(name, [])
            lengths.pop(name, None)
            free = sorted(free + table)
            results.append(table)
            continue
        table, length = tables.get(name, []), lengths.get(name, 0)
        more = math.ceil((length + count) / BLOCK) - len(table)
        if more > len(free):
            results.append(None)
            continue
        table, free = table + free[:more], free[more:]
        if table:
            tables[name], lengths[name] = table, length + count
        results.append(
            [table[t // BLOCK] * BLOCK + t % BLOCK for t in range(length, length + count)]
        )
    return results, tables


def by_a_heap(n_blocks, events):
    """Token by token, with a look ahead for room."""
    heap = list(range(n_blocks))
    places, results = {}, []
    for kind, name, count in events:
        mine = places.get(name, [])
        if kind == "free":
            blocks = [at // BLOCK for at in mine[::BLOCK]]
            for block in blocks:
                heapq.heappush(heap, block)
            places.pop(name, None)
            results.append(blocks)
        elif count - (-len(mine)) % BLOCK > len(heap) * BLOCK:
            results.append(None)
        else:
            new = []
            for _ in range(count):
                if (len(mine) + len(new)) % BLOCK == 0:
                    new.append(heapq.heappop(heap) * BLOCK)
                else:
                    new.append((new or mine)[-1] + 1)
            results.append(new)
            if mine or new:
                places[name] = mine + new
    return results, {name: [at // BLOCK for at in mine[::BLOCK]] for name, mine in places.items()}


def by_owners(n_blocks, events):
    """One list says who owns each block; the order of a request's blocks is kept beside it."""
    owner, order, length, results = [None] * n_blocks, {}, {}, []
    for kind, name, count in events:
        if kind == "free":
            blocks = order.pop(name, [])
            for block in blocks:
                owner[block] = None
            length[name] = 0
            results.append(blocks)
            continue
        old = length.get(name, 0)
        have, need = len(order.get(name, [])), (old + count + BLOCK - 1) // BLOCK
        if need - have > owner.count(None):
            results.append(None)
            continue
        for _ in range(need - have):
            block = owner.index(None)
            owner[block] = name
            order.setdefault(name, []).append(block)
        length[name] = old + count
        spots = [divmod(t, BLOCK) for t in range(old, old + count)]
        results.append([BLOCK * order[name][column] + offset for column, offset in spots])
    return results, order


def pages(n_blocks, events, pick=lambda free: free.pop(0), back=None, spot=None, wasteful=False):
    """A pager with one habit to change."""
    free, tables, lengths, results = list(range(n_blocks)), {}, {}, []
    for kind, name, count in events:
        if kind == "free":
            results.append(tables.pop(name, []))
            lengths.pop(name, None)
            free = back(free, results[-1]) if back else sorted(free + results[-1])
            continue
        table, length = tables.get(name, []), lengths.get(name, 0)
        need = -(-(length + count) // BLOCK) - (0 if wasteful else len(table))
        if need > len(free):
            results.append(None)
            continue
        table = table + [pick(free) for _ in range(need)]
        where = spot or (lambda table, t: table[t // BLOCK] * BLOCK + t % BLOCK)
        results.append([where(table, t) for t in range(length, length + count)])
        if table:
            tables[name], lengths[name] = table, length + count
    return results, tables


def a_new_block_for_every_append(n_blocks, events):
    free, tables, results = list(range(n_blocks)), {}, []
    for kind, name, count in events:
        if kind == "free":
            results.append(tables.pop(name, []))
            free = sorted(free + results[-1])
            continue
        need = math.ceil(count / BLOCK)
        if need > len(free):
            results.append(None)
            continue
        new, free = free[:need], free[need:]
        if tables.get(name, []) + new:
            tables[name] = tables.get(name, []) + new
        results.append([new[t // BLOCK] * BLOCK + t % BLOCK for t in range(count)])
    return results, tables


def forgets_its_blocks(n_blocks, events):
    return pages(n_blocks, events, wasteful=True)


def swaps_block_and_offset(n_blocks, events):
    return pages(n_blocks, events, spot=lambda table, t: t % BLOCK * BLOCK + table[t // BLOCK])


def divides_the_wrong_way(n_blocks, events):
    return pages(n_blocks, events, spot=lambda table, t: table[t % BLOCK] * BLOCK + t // BLOCK)


def adds_the_block(n_blocks, events):
    return pages(n_blocks, events, spot=lambda table, t: table[t // BLOCK] + t % BLOCK)


def gives_positions(n_blocks, events):
    return pages(n_blocks, events, spot=lambda table, t: t)


def never_gives_back(n_blocks, events):
    return pages(n_blocks, events, back=lambda free, blocks: free)


def in_the_order_they_came_back(n_blocks, events):
    return pages(n_blocks, events, back=lambda free, blocks: free + blocks)


def from_the_end(n_blocks, events):
    return pages(n_blocks, events, lambda free: free.pop(), lambda free, blocks: free + blocks)


def highest_first(n_blocks, events):
    return pages(n_blocks, events, lambda free: free.pop())


def takes_what_is_left(n_blocks, events):
    free, tables, lengths, results = list(range(n_blocks)), {}, {}, []
    for kind, name, count in events:
        if kind == "free":
            results.append(tables.pop(name, []))
            lengths.pop(name, None)
            free = sorted(free + results[-1])
            continue
        got = []
        for t in range(lengths.get(name, 0), lengths.get(name, 0) + count):
            table = tables.setdefault(name, [])
            if t // BLOCK == len(table):
                if not free:
                    break
                table.append(free.pop(0))
            got.append(table[t // BLOCK] * BLOCK + t % BLOCK)
        if not tables.get(name, [1]):
            del tables[name]
        lengths[name] = lengths.get(name, 0) + len(got)
        results.append(got)
    return results, tables


def strides_too_far(n_blocks, events):
    results, tables = by_a_sorted_list(n_blocks, events)
    return [None if got is None else [4 * at for at in got] for got in results], tables


WRONG = {
    a_new_block_for_every_append: "Every append begins a new block",
    forgets_its_blocks: "blocks that the request has already",
    swaps_block_and_offset: "Block and offset are swapped",
    divides_the_wrong_way: "one request, some tokens at a time",
    adds_the_block: "You added the block itself",
    gives_positions: "not in the store",
    never_gives_back: "don't come back",
    in_the_order_they_came_back: "free for longest",
    from_the_end: "the one that came back last",
    highest_first: "highest free block",
    takes_what_is_left: "you take what is left",
    strides_too_far: "First at place",
}
RIGHT = [by_a_sorted_list, by_a_heap, by_owners]


def remembers_the_dead(n_blocks, events):
    free, tables, lengths, results = list(range(n_blocks)), {}, {}, []
    for kind, name, count in events:
        if kind == "free":
            results.append(tables.pop(name, []))
            free += results[-1]
            continue
        old = lengths.get(name, 0)
        wanted = -(-(old + count) // 4) - -(-old // 4)
        if wanted > len(free):
            results.append(None)
            continue
        for _ in range(wanted):
            tables.setdefault(name, []).append(min(free))
            free.remove(min(free))
        table = tables.get(name, [])
        places = [at for at in range(old, old + count) if at // 4 < len(table)]
        results.append([table[at // 4] * 4 + at % 4 for at in places])
        lengths[name] = old + len(places)
    return results, tables


WRONG[remembers_the_dead] = "survives its end"
