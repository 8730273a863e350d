"""Answers to the ring all-reduce as learners write them: wrong with their hint, and right."""

import torch


def two_loops(flat, transport):
    p, r = transport.size, transport.rank
    right, left = (r + 1) % p, (r - 1) % p
    chunks = flat.clone().view(p, -1)
    inbox = torch.empty_like(chunks[0])
    for s in range(p - 1):
        transport.exchange(chunks[(r - s - 1) % p], right, inbox, left)
        chunks[(r - s - 2) % p] += inbox
    for s in range(p - 1):
        transport.exchange(chunks[(r - s) % p], right, inbox, left)
        chunks[(r - s - 1) % p] = inbox
    return chunks.flatten()


def one_loop(flat, transport):
    """2 (p - 1) rounds in one loop; another chunk is finished on another rank."""
    p, r = transport.size, transport.rank
    chunks = list(flat.clone().chunk(p))
    inbox = torch.empty_like(chunks[0])
    for s in range(2 * (p - 1)):
        transport.exchange(chunks[(r - s) % p], (r + 1) % p, inbox, (r - 1) % p)
        at = (r - s - 1) % p
        chunks[at] = chunks[at] + inbox if s < p - 1 else inbox.clone()
    return torch.cat(chunks)


def a_running_sum(flat, transport):
    """What travels is the sum so far: each rank adds its own chunk to it and passes it on."""
    p, r = transport.size, transport.rank
    each = flat.numel() // p
    own = flat.reshape(p, each)
    travels = own[(r - 1) % p].clone()
    for s in range(p - 1):
        arrived = torch.empty(each, dtype=flat.dtype)
        transport.exchange(travels, (r + 1) % p, arrived, (r - 1) % p)
        travels = arrived + own[(r - s - 2) % p]
    full = torch.empty_like(own)
    full[r] = travels
    for s in range(p - 1):
        arrived = torch.empty(each, dtype=flat.dtype)
        transport.exchange(travels, (r + 1) % p, arrived, (r - 1) % p)
        full[(r - s - 1) % p] = travels = arrived
    return full.reshape(-1)


def averages(flat, transport):
    return two_loops(flat, transport).div(transport.size)


def sums_into_the_callers_vector(flat, transport):
    flat.copy_(two_loops(flat, transport))
    return flat


def stops_half_way(flat, transport):
    p, r = transport.size, transport.rank
    chunks = flat.clone().view(p, -1)
    inbox = torch.empty_like(chunks[0])
    for s in range(p - 1):
        transport.exchange(chunks[(r - s - 1) % p], (r + 1) % p, inbox, (r - 1) % p)
        chunks[(r - s - 2) % p] += inbox
    return chunks.flatten()


def returns_its_chunk(flat, transport):
    return stops_half_way(flat, transport).view(transport.size, -1)[transport.rank]


def sends_everything_each_round(flat, transport):
    total, travels = flat.clone(), flat.clone()
    for _ in range(transport.size - 1):
        arrived = torch.empty_like(flat)
        transport.exchange(
            travels,
            (transport.rank + 1) % transport.size,
            arrived,
            (transport.rank - 1) % transport.size,
        )
        total, travels = total + arrived, arrived
    return total


def by_the_first_rank(flat, transport):
    total = flat.clone()
    if transport.rank:
        transport.send(flat, 0)
        transport.receive(total, 0)
    else:
        inbox = torch.empty_like(flat)
        for other in range(1, transport.size):
            transport.receive(inbox, other)
            total += inbox
        for other in range(1, transport.size):
            transport.send(total, other)
    return total


def one_round_more(flat, transport):
    p, r = transport.size, transport.rank
    chunks = flat.clone().view(p, -1)
    inbox = torch.empty_like(chunks[0])
    for s in range(p):
        transport.exchange(chunks[(r - s - 1) % p], (r + 1) % p, inbox, (r - 1) % p)
        chunks[(r - s - 2) % p] += inbox
    for s in range(p - 1):
        transport.exchange(chunks[(r - s - 1) % p], (r + 1) % p, inbox, (r - 1) % p)
        chunks[(r - s - 2) % p] = inbox
    return chunks.flatten()


def one_round_more_but_right(flat, transport):
    p, r = transport.size, transport.rank
    chunks = flat.clone().view(p, -1)
    inbox = torch.empty_like(chunks[0])
    for s in range(p):
        transport.exchange(chunks[(r - s - 1) % p], (r + 1) % p, inbox, (r - 1) % p)
        chunks[(r - s - 2) % p] += inbox
    for s in range(p - 1):
        transport.exchange(chunks[(r - s) % p], (r + 1) % p, inbox, (r - 1) % p)
        chunks[(r - s - 1) % p] = inbox
    return chunks.flatten()


def overwrites(flat, transport):
    p, r = transport.size, transport.rank
    chunks = flat.clone().view(p, -1)
    for s in range(p - 1):
        transport.exchange(
            chunks[(r - s - 1) % p], (r + 1) % p, chunks[(r - s - 2) % p], (r - 1) % p
        )
    for s in range(p - 1):
        transport.exchange(chunks[(r - s) % p], (r + 1) % p, chunks[(r - s - 1) % p], (r - 1) % p)
    return chunks.flatten()


def waits_before_it_sends(flat, transport):
    inbox = torch.empty_like(flat)
    transport.receive(inbox, (transport.rank - 1) % transport.size)
    transport.send(flat, (transport.rank + 1) % transport.size)
    return flat + inbox


def sums_its_own_chunks(flat, transport):
    return flat.view(transport.size, -1).sum(0).repeat(transport.size)


WRONG = {
    averages: "divided by the number of ranks",
    sums_into_the_callers_vector: "copy it first",
    stops_half_way: "stopped after the first half",
    returns_its_chunk: "your own chunk alone",
    sends_everything_each_round: "you send whole vectors",
    by_the_first_rank: "everything goes through rank 0",
    one_round_more: "has p rounds",
    one_round_more_but_right: "sends one chunk for nothing",
    overwrites: "overwrite your chunk",
    waits_before_it_sends: "never sent",
    sums_its_own_chunks: "expected",
}
RIGHT = [two_loops, one_loop, a_running_sum]
