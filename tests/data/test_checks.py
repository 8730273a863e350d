import pytest

from course_lib.checks import data as check


def test_the_reference_passes():
    assert check.bpe_step(check.bpe_step_reference).passed


@pytest.mark.parametrize("mistake", check.MISTAKES)
def test_each_mistake_is_named(mistake, capsys):
    report = check.bpe_step(check.MISTAKES[mistake])
    assert not report.passed and report.mistake == mistake
    assert mistake in capsys.readouterr().out


def test_an_error_of_the_learners_is_shown_and_a_stub_is_recognised(capsys):
    def stub(words, new):
        raise NotImplementedError

    assert not check.bpe_step(stub).passed
    assert not check.bpe_step(lambda words, new: words[new]).passed
    assert "KeyError" in capsys.readouterr().out


def test_candidates_by_hand_and_a_solution_by_buckets():
    def by_buckets(signatures, bands):
        rows = len(signatures[0]) // bands
        found = set()
        for band in range(bands):
            seen = {}
            for i, signature in enumerate(signatures):
                key = tuple(signature[band * rows:(band + 1) * rows])
                found |= {(j, i) for j in seen.setdefault(key, [])}
                seen[key].append(i)
        return sorted(found)

    assert by_buckets([[1, 1, 2, 2], [1, 1, 3, 3], [2, 2, 2, 2]], 2) == [(0, 1), (0, 2)]
    assert check.candidate_pairs(by_buckets).passed


@pytest.mark.parametrize("mistake", check.CANDIDATE_MISTAKES)
def test_each_mistake_about_bands_is_named(mistake, capsys):
    report = check.candidate_pairs(check.CANDIDATE_MISTAKES[mistake])
    assert not report.passed and report.mistake == mistake


def test_the_next_batch_by_hand():
    assert check.next_batch(lambda state, size, batch_rows, rank, world: (
        [divmod(state["epoch"] * size + state["row"] + i, size)
         for i in range(rank, batch_rows, world)],
        dict(zip(("epoch", "row"), divmod(state["epoch"] * size + state["row"] + batch_rows, size),
                 strict=True)))).passed


@pytest.mark.parametrize("mistake", check.NEXT_BATCH_MISTAKES)
def test_each_mistake_of_a_loader_is_named(mistake, capsys):
    report = check.next_batch(check.NEXT_BATCH_MISTAKES[mistake])
    assert not report.passed and report.mistake == mistake


def test_a_word_cut_by_prefixes_passes():
    def cut(word, vocabulary):
        found, rest, mark = [], word, ""
        while rest:
            fits = [n for n in range(1, len(rest) + 1) if mark + rest[:n] in vocabulary]
            if not fits:
                return ["[UNK]"]
            found.append(mark + rest[:max(fits)])
            rest, mark = rest[max(fits):], "##"
        return found

    assert cut("abcd", ["ab", "abc", "##cd", "##d"]) == ["abc", "##d"]
    assert check.wordpiece_encode(cut).passed


@pytest.mark.parametrize("mistake", check.WORDPIECE_MISTAKES)
def test_each_mistake_about_pieces_is_named(mistake, capsys):
    report = check.wordpiece_encode(check.WORDPIECE_MISTAKES[mistake])
    assert not report.passed and report.mistake == mistake
