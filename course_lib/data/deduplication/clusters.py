"""From pairs to clusters: union-find, the order that decides who stays, and the reasons.

Every method of this chapter ends here. It finds pairs that are alike; pairs join into clusters;
of each cluster one document stays. Which one must not depend on the order in which the documents
come, nor on the number of workers: the documents get *ranks* by their keys, and the lowest stays.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Edge = tuple[int, int, float | None]  # two documents that are alike, and how much


@dataclass(frozen=True)
class Removal:
    """A document that was removed, who stays for it, and the neighbour that shows why.

    `witness` is mostly the one that stays. In a chain A ~ B ~ C, where A and C are not alike
    themselves, C goes for A, and B is the witness: from witness to witness the way leads to the
    one that stays. `score` is the similarity of the document and its witness, None where the
    method knows none.
    """

    index: int
    kept: int
    witness: int
    score: float | None
    kind: str  # "exact" or "near"


@dataclass(frozen=True)
class Deduplicated:
    """Places of the documents that stay, in their order; the removals; pairs looked at."""

    kept: list[int]
    removed: list[Removal]
    compared: int = 0


@dataclass
class Clusters:
    """Disjoint sets of 0 … size-1 (Tarjan 1975). The root of a set is its smallest member.

    Paths are halved on the way up, so a find costs O(log size) at worst, and about 1 in practice.
    """

    size: int
    parent: list[int] = field(init=False)

    def __post_init__(self):
        self.parent = list(range(self.size))

    def find(self, item: int) -> int:
        parent = self.parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, a: int, b: int) -> None:
        a, b = self.find(a), self.find(b)
        self.parent[max(a, b)] = min(a, b)


def fingerprint(text: str) -> bytes:
    """128 bits, equal for texts that differ in nothing but white space. Any str will do."""
    return hashlib.blake2b(_bytes(" ".join(text.split())), digest_size=16).digest()


def ranking(texts: Sequence[str], keys: Sequence[str] | None) -> list[int]:
    """Places from the first that would stay to the last: by key, then by content.

    Without keys the order is that of the documents, and the first of a cluster stays. With keys
    (ids) the result belongs to the set of documents, in whatever order. Documents with one key are
    told apart by their content; where that is equal too, it doesn't matter which one stays.
    Raises ValueError where keys and texts differ in number.
    """
    if keys is None:
        return list(range(len(texts)))
    if len(keys) != len(texts):
        raise ValueError(f"keys has {len(keys)} entries for {len(texts)} texts: expected as many")
    repeated = len(set(keys)) < len(keys)
    content = [hashlib.blake2b(_bytes(t)).digest() for t in texts] if repeated else keys
    return sorted(range(len(texts)), key=lambda i: (keys[i], content[i]))


def settle(
    edges: Iterable[Edge], order: Sequence[int], texts: Sequence[str], compared: int = 0
) -> Deduplicated:
    """Join the edges (a, b, score), given in ranks, and say of each document whether it stays."""
    edges = list(edges)
    clusters = Clusters(len(order))
    for a, b, _ in edges:
        clusters.union(a, b)
    removed = []
    for rank, (other, score) in sorted(_witnesses(edges, clusters).items()):
        index, witness, stays = order[rank], order[other], order[clusters.find(rank)]
        same = fingerprint(texts[index]) == fingerprint(texts[stays])
        removed.append(Removal(index, stays, witness, score, "exact" if same else "near"))
    gone = {removal.index for removal in removed}
    kept = [i for i in range(len(order)) if i not in gone]
    return Deduplicated(kept, sorted(removed, key=lambda r: r.index), compared)


def _witnesses(edges: Sequence[Edge], clusters: Clusters) -> dict[int, tuple[int, float | None]]:
    """Of each member that goes, the neighbour one step nearer to the one that stays, and the score.

    A walk in widening circles from the roots; among neighbours of the inner circle the most alike
    counts, then the lower rank.
    """
    near: dict[int, list[tuple[float, int, float | None]]] = {}
    for a, b, score in edges:
        for one, two in ((a, b), (b, a)):
            near.setdefault(one, []).append((-(score or 0.0), two, score))
    circle = sorted(rank for rank in near if clusters.find(rank) == rank)
    found: dict[int, tuple[int, float | None]] = {rank: (rank, None) for rank in circle}
    while circle:
        inner, reached = set(circle), {other for rank in circle for _, other, _ in near[rank]}
        circle = sorted(reached - found.keys())
        for rank in circle:
            _, other, score = min(entry for entry in near[rank] if entry[1] in inner)
            found[rank] = (other, score)
    return {rank: witness for rank, witness in found.items() if witness[0] != rank}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
