"""Answers to the share that bands find as learners write them: wrong with their hint, and right."""

import math

import torch


def in_three_steps(edited, ngram, bands, rows):
    stays = (1 - edited) ** ngram
    return found(stays / (2 - stays), bands, rows)


def found(similarity, bands, rows):
    return similarity, 1 - (1 - similarity**rows) ** bands


def with_sets(edited, ngram, bands, rows):
    n = 1_000_000
    shared = n * math.prod([1 - edited] * ngram)
    similarity = shared / (n + n - shared)
    missed = 1.0
    for _ in range(bands):
        missed *= 1 - math.prod([similarity] * rows)
    return [similarity, 1 - missed]


def with_torch(edited, ngram, bands, rows):
    stays = torch.tensor(1 - edited, dtype=torch.double) ** ngram
    similarity = stays / (2 - stays)
    return similarity, 1 - torch.pow(1 - similarity**rows, bands)


def takes_words_for_shingles(edited, ngram, bands, rows):
    return found((1 - edited) / (1 + edited), bands, rows)


def takes_the_share_that_stays(edited, ngram, bands, rows):
    return found((1 - edited) ** ngram, bands, rows)


def divides_by_both(edited, ngram, bands, rows):
    return found((1 - edited) ** ngram / 2, bands, rows)


def swaps_bands_and_rows(edited, ngram, bands, rows):
    return in_three_steps(edited, ngram, rows, bands)


def looks_at_one_band(edited, ngram, bands, rows):
    return in_three_steps(edited, ngram, 1, rows)


def looks_at_single_rows(edited, ngram, bands, rows):
    return in_three_steps(edited, ngram, bands * rows, 1)


def gives_what_is_missed(edited, ngram, bands, rows):
    similarity, share = in_three_steps(edited, ngram, bands, rows)
    return similarity, 1 - share


def sums_the_bands(edited, ngram, bands, rows):
    similarity, share = in_three_steps(edited, ngram, 1, rows)
    return similarity, bands * share


def subtracts_the_edits(edited, ngram, bands, rows):
    stays = max(1 - ngram * edited, 0)
    return found(stays / (2 - stays), bands, rows)


def counts_the_words_around_too(edited, ngram, bands, rows):
    return in_three_steps(edited, 2 * ngram - 1, bands, rows)


def gives_the_share_alone(edited, ngram, bands, rows):
    return in_three_steps(edited, ngram, bands, rows)[1]


WRONG = {
    takes_words_for_shingles: "You forget the shingles",
    takes_the_share_that_stays: "no Jaccard similarity",
    divides_by_both: "You divide by both sets",
    swaps_bands_and_rows: "Bands and rows are exchanged",
    looks_at_one_band: "This is one band",
    looks_at_single_rows: "One equal row",
    gives_what_is_missed: "the share that is missed",
    sums_the_bands: "You add the bands up",
    subtracts_the_edits: "n · edited",
    counts_the_words_around_too: "You have",
    gives_the_share_alone: "expected 2 values",
}
RIGHT = [in_three_steps, with_sets, with_torch]
