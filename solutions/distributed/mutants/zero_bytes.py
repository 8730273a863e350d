"""Answers to the bytes of ZeRO as learners write them: wrong with their hint, and right."""

import math

STATE_BYTES = 12


def by_stages(n, ranks, stage):
    part = math.ceil(n / ranks)
    weights = 2 * (part if stage == 3 else n)
    gradients = 2 * (part if stage >= 2 else n)
    state = STATE_BYTES * (part if stage >= 1 else n)
    chunks = (3 if stage == 3 else 2) * (ranks - 1)
    return weights + gradients + state, chunks * part * 2


def from_a_table(n, ranks, stage):
    part = (n + ranks - 1) // ranks
    table = {0: (n, n, n), 1: (n, n, part), 2: (n, part, part), 3: (part, part, part)}
    kept = sum(size * of for size, of in zip((2, 2, STATE_BYTES), table[stage], strict=True))
    gather = scatter = (ranks - 1) * part * 2
    return kept, scatter + gather + (gather if stage == 3 else 0)


def by_padding_first(n, ranks, stage):
    whole = n + -n % ranks
    share = [1, 1, 1]
    for i in range(stage):
        share[2 - i] = ranks
    sizes = (2, 2, STATE_BYTES)
    kept = [b * (n if s == 1 else whole / s) for b, s in zip(sizes, share, strict=True)]
    return [sum(kept), (2 + (stage > 2)) * (ranks - 1) * (whole / ranks) * 2]


def forgets_the_padding(n, ranks, stage):
    shares = [ranks if stage >= first else 1 for first in (3, 2, 1)]
    kept = sum(b * n / s for b, s in zip((2, 2, STATE_BYTES), shares, strict=True))
    return kept, (3 if stage == 3 else 2) * (ranks - 1) / ranks * 2 * n


def cuts_the_odd_end_off(n, ranks, stage):
    part = n // ranks
    kept = [part if stage >= first else n for first in (3, 2, 1)]
    sent = (3 if stage == 3 else 2) * (ranks - 1) * part * 2
    return 2 * kept[0] + 2 * kept[1] + STATE_BYTES * kept[2], sent


def same_traffic_everywhere(n, ranks, stage):
    return by_stages(n, ranks, stage)[0], 4 * (ranks - 1) * math.ceil(n / ranks)


def thinks_that_sharding_costs_traffic(n, ranks, stage):
    rounds = 2 if stage == 0 else 3
    return by_stages(n, ranks, stage)[0], rounds * (ranks - 1) * math.ceil(n / ranks) * 2


def half_an_all_reduce(n, ranks, stage):
    rounds = 2 if stage == 3 else 1
    return by_stages(n, ranks, stage)[0], rounds * (ranks - 1) * math.ceil(n / ranks) * 2


def in_fp32(n, ranks, stage):
    kept, sent = by_stages(n, ranks, stage)
    return kept, 2 * sent


def everybody_together(n, ranks, stage):
    kept, sent = by_stages(n, ranks, stage)
    return kept, ranks * sent


def stage_one_cuts_gradients(n, ranks, stage):
    part = math.ceil(n / ranks)
    kept = (2 + STATE_BYTES) * (part if stage else n) + 2 * (part if stage == 3 else n)
    return kept, by_stages(n, ranks, stage)[1]


def weights_first(n, ranks, stage):
    part = math.ceil(n / ranks)
    cut = [part if stage > i else n for i in range(3)]
    return 2 * cut[0] + 2 * cut[1] + STATE_BYTES * cut[2], by_stages(n, ranks, stage)[1]


def forgets_the_state(n, ranks, stage):
    part = math.ceil(n / ranks)
    kept = 2 * (part if stage == 3 else n) + 2 * (part if stage >= 2 else n)
    return kept, by_stages(n, ranks, stage)[1]


def traffic_first(n, ranks, stage):
    return by_stages(n, ranks, stage)[::-1]


WRONG = {
    forgets_the_padding: "You forgot the padding",
    cuts_the_odd_end_off: "rounded n / p down",
    same_traffic_everywhere: "same traffic in every stage",
    thinks_that_sharding_costs_traffic: "stages 1 and 2 send more",
    half_an_all_reduce: "one round of the ring",
    in_fp32: "4 bytes a number",
    everybody_together: "or all ranks together",
    stage_one_cuts_gradients: "stage 1 cuts the gradients",
    weights_first: "in another order",
    forgets_the_state: "left the optimizer's state out",
    traffic_first: "the order asked for is (kept, sent)",
}
RIGHT = [by_stages, from_a_table, by_padding_first]
