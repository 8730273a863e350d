"""Answers to the split that leaks as learners write them: wrong with their hint, and right."""

import hashlib
import random
import zlib


def number(name):
    return zlib.crc32(name.encode()) / 2**32


def by_union_find(names, links, share):
    parent = {name: name for name in names}

    def root(name):
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for a, b in links:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return [number(root(name)) < share for name in names]


def by_walking(names, links, share):
    near = {name: [] for name in names}
    for a, b in links:
        near[a].append(b)
        near[b].append(a)
    side = {}
    for name in sorted(names):
        if name in side:
            continue
        todo, side[name] = [name], number(name) < share
        while todo:
            for other in near[todo.pop()]:
                if other not in side:
                    side[other] = side[name]
                    todo.append(other)
    return [side[name] for name in names]


def by_spreading_the_least(names, links, share):
    least = {name: name for name in names}
    moved = True
    while moved:
        moved = False
        for a, b in links:
            if least[a] != least[b]:
                least[a] = least[b] = min(least[a], least[b])
                moved = True
    return [number(least[name]) < share for name in names]


def judges_each_by_its_name(names, links, share):
    return [number(name) < share for name in names]


def follows_one_link(names, links, share):
    first = {name: name for name in names}
    for a, b in links:
        first[a], first[b] = min(first[a], b), min(first[b], a)
    return [number(first[name]) < share for name in names]


def keeps_the_shuffle(names, links, share):
    order = list(range(len(names)))
    order = random.Random(0).sample(order, len(order))
    chosen = {names[i] for i in order[: round(share * len(names))]}
    groups = {name: {name} for name in names}
    for a, b in links:
        joined = groups[a] | groups[b]
        for name in joined:
            groups[name] = joined
    return [min(groups[name]) in chosen for name in names]


def goes_by_the_largest_name(names, links, share):
    groups = {name: {name} for name in names}
    for a, b in links:
        joined = groups[a] | groups[b]
        for name in joined:
            groups[name] = joined
    return [number(max(groups[name])) < share for name in names]


def marks_the_training_side(names, links, share):
    return [not mark for mark in by_union_find(names, links, share)]


def drops_the_copies_into_training(names, links, share):
    linked = {name for link in links for name in link}
    return [name not in linked and number(name) < share for name in names]


def takes_another_hash(names, links, share):
    least = by_spreading_the_least
    del least
    groups = {name: {name} for name in names}
    for a, b in links:
        joined = groups[a] | groups[b]
        for name in joined:
            groups[name] = joined
    draws = {n: int(hashlib.sha256(min(groups[n]).encode()).hexdigest()[:8], 16) for n in names}
    return [draws[name] / 2**32 < share for name in names]


def gives_the_names(names, links, share):
    marks = by_union_find(names, links, share)
    return [name for name, mark in zip(names, marks, strict=True) if mark]


WRONG = {
    judges_each_by_its_name: "judged by its own name",
    follows_one_link: "You follow one link and stop",
    keeps_the_shuffle: "still comes from a shuffled order",
    goes_by_the_largest_name: "the last name of a cluster",
    marks_the_training_side: "The sides are exchanged",
    drops_the_copies_into_training: "You have",
    takes_another_hash: "You have",
    gives_the_names: "You have",
}
RIGHT = [by_union_find, by_walking, by_spreading_the_least]
