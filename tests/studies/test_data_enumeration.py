"""The self-check passes as things are, and sees faults that a comparison of two scores cannot."""

from math import log

import pytest

from course_lib.studies.data.enumeration import check, derivations, small_worlds
from course_lib.world.trace import Options, Reader, Sampler
from course_lib.world.village import KINDS

WORLDS = small_worlds()
SAMPLES = 4_000


def but_is_not_renormalised(patch) -> None:
    patch.setattr(Options, "nats", lambda self, i, but=None: -log(_share(self, i)))


def held_out_sums_keep_their_share(patch) -> None:
    right = Options.nats

    def nats(self, i, but=None):
        numbers = self.fault == "held out" and self.texts[0][1:].isdigit()
        return log(len(self.texts)) if numbers else right(self, i, but)

    patch.setattr(Options, "nats", nats)


def stopping_a_biography_is_free(patch) -> None:
    for run in (Sampler, Reader):

        def toss(self, p, name="", right=run.toss):
            before = self.pending
            yes = right(self, p, name)
            if name == "another fact" and not yes:
                self.pending = before
            return yes

        patch.setattr(run, "toss", toss)


def events_are_scored_as_uniform(patch) -> None:
    right = Options.nats

    def nats(self, i, but=None):
        if self.fault != "causality":
            return right(self, i, but)
        open_ones = [j for j in range(len(self.texts)) if j != but and self.weight(j) > 0]
        return log(len(open_ones))

    patch.setattr(Options, "nats", nats)


def _share(options: Options, i: int) -> float:
    return options.weight(i) / options.cumulative[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_probabilities_of_all_texts_sum_to_one_and_samples_follow_them(kind):
    found = check(WORLDS[kind], SAMPLES)
    assert found.mass == pytest.approx(1, abs=1e-12 * found.texts)
    assert found.texts > 400
    assert found.derivations == found.texts  # no text arises in two ways
    assert found.strange == 0
    assert abs(found.excess) < 4


@pytest.mark.parametrize(
    ("fault", "kind", "sees"),
    [
        (but_is_not_renormalised, "count", "mass"),
        (but_is_not_renormalised, "tale", "mass"),
        (held_out_sums_keep_their_share, "quiz", "mass"),
        (stopping_a_biography_is_free, "bio", "mass"),
        (events_are_scored_as_uniform, "tale", "frequencies"),  # they still sum to 1
    ],
)
def test_a_fault_in_code_that_all_scores_share_is_seen(monkeypatch, fault, kind, sees):
    world = small_worlds()[kind]
    with monkeypatch.context() as patch:
        fault(patch)
        document = world.sample(3)
        assert world.score(document.text).nats == pytest.approx(document.nats, abs=1e-9)
        found = check(world, SAMPLES)
    wrong_mass = abs(found.mass - 1) > 1e-3
    assert wrong_mass is (sees == "mass")
    assert found.excess > 10


@pytest.mark.parametrize("kind", KINDS)
def test_every_listed_text_is_possible_and_every_sample_is_listed(kind):
    world = WORLDS[kind]
    listed = set(derivations(world.village))
    assert all(world.score(text).possible for text in sorted(listed)[:: len(listed) // 200])
    assert {world.sample(seed).text for seed in range(500)} <= listed
