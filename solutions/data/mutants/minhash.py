"""Answers to candidates from bands as learners write them: wrong with their hint, and right."""

from collections import defaultdict
from itertools import combinations

import torch


def by_groups(signatures, bands):
    r = len(signatures[0]) // bands
    found = set()
    for b in range(bands):
        groups = defaultdict(list)
        for i, s in enumerate(signatures):
            groups[str(s[b * r : b * r + r])].append(i)
        for group in groups.values():
            found.update(combinations(group, 2))
    return sorted(found)


def by_comparing_all(signatures, bands):
    r, n = len(signatures[0]) // bands, len(signatures)
    pairs = []
    for i in range(n):
        for j in range(i + 1, n):
            for b in range(bands):
                if signatures[i][b * r : (b + 1) * r] == signatures[j][b * r : (b + 1) * r]:
                    pairs.append((i, j))
                    break
    return pairs


def by_tensors(signatures, bands):
    s = torch.tensor(signatures).reshape(len(signatures), bands, -1)
    alike = (s[:, None] == s[None]).all(-1).any(-1)
    return [(i, j) for i, j in alike.nonzero().tolist() if i < j]


def one_dictionary_for_all_bands(signatures, bands):
    r = len(signatures[0]) // bands
    groups = defaultdict(set)
    for i, s in enumerate(signatures):
        for start in range(0, len(s), r):
            groups[tuple(s[start : start + r])].add(i)
    return sorted({p for group in groups.values() for p in combinations(sorted(group), 2)})


def any_entry(signatures, bands):
    s = torch.tensor(signatures)
    alike = (s[:, None] == s[None]).any(-1)
    return [(i, j) for i, j in alike.nonzero().tolist() if i < j]


def all_bands(signatures, bands):
    s = torch.tensor(signatures).reshape(len(signatures), bands, -1)
    alike = (s[:, None] == s[None]).all(-1).all(-1)
    return [(i, j) for i, j in alike.nonzero().tolist() if i < j]


def frozen_sets(signatures, bands):
    r = len(signatures[0]) // bands
    groups = defaultdict(list)
    for i, s in enumerate(signatures):
        for b in range(bands):
            groups[b, frozenset(s[b * r : (b + 1) * r])].append(i)
    return sorted({p for group in groups.values() for p in combinations(group, 2)})


def bands_of_that_many_rows(signatures, bands):
    return by_groups(signatures, len(signatures[0]) // bands)


def pairs_with_the_first_alone(signatures, bands):
    r = len(signatures[0]) // bands
    first, found = {}, set()
    for i, s in enumerate(signatures):
        for b in range(bands):
            j = first.setdefault((b, tuple(s[b * r : (b + 1) * r])), i)
            if j != i:
                found.add((j, i))
    return sorted(found)


def pairs_with_the_one_before(signatures, bands):
    r = len(signatures[0]) // bands
    last, found = {}, set()
    for i, s in enumerate(signatures):
        for b in range(bands):
            key = b, tuple(s[b * r : (b + 1) * r])
            if key in last:
                found.add((last[key], i))
            last[key] = i
    return sorted(found)


def a_list_with_repeats(signatures, bands):
    r = len(signatures[0]) // bands
    found = []
    for b in range(bands):
        groups = defaultdict(list)
        for i, s in enumerate(signatures):
            groups[tuple(s[b * r : (b + 1) * r])].append(i)
        for group in groups.values():
            found += combinations(group, 2)
    return sorted(found)


def not_sorted(signatures, bands):
    return by_groups(signatures, bands)[::-1]


WRONG = {
    one_dictionary_for_all_bands: "forget which band",
    any_entry: "One equal entry",
    all_bands: "You ask that all bands agree",
    frozen_sets: "in any order",
    bands_of_that_many_rows: "for the number of rows",
    pairs_with_the_first_alone: "You have",
    pairs_with_the_one_before: "with the next alone",
    a_list_with_repeats: "stands twice",
    not_sorted: "You have",
}
RIGHT = [by_groups, by_comparing_all, by_tensors]


def the_first_band_alone(signatures, bands):
    rows = len(signatures[0]) // bands
    return by_groups([signature[:rows] for signature in signatures], 1)


WRONG[the_first_band_alone] = ""
