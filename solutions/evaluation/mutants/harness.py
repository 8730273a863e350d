"""Answers to the harness that flatters as learners write them: wrong with their hint, and right."""

import math

import torch


def means(question, start=-1, by=None):
    """The mean log-probability of each option's tokens."""
    n, found = len(question["context"]), []
    for ids, logits in zip(question["options"], question["logits"], strict=True):
        rows = torch.log_softmax(logits.double(), -1)
        total = sum(rows[n + i + start, token].item() for i, token in enumerate(ids))
        found.append(total / (by(n, ids) if by else len(ids)))
    return found


def shared(scores, gold):
    real = [s for s in scores if not math.isnan(s)]
    if math.isnan(scores[gold]) or max(real) - scores[gold] > 1e-4:
        return 0.0
    return 1 / sum(max(real) - s <= 1e-4 for s in real)


def with_helpers(questions):
    return [shared(means(q), q["gold"]) for q in questions]


def with_tensors(questions):
    marks = []
    for q in questions:
        n, scores = len(q["context"]), []
        for ids, logits in zip(q["options"], q["logits"], strict=True):
            logp = logits[n - 1 : -1].log_softmax(-1)
            scores.append(logp.gather(1, torch.tensor(ids)[:, None]).mean())
        scores = torch.stack(scores).nan_to_num(nan=-torch.inf)
        if scores[q["gold"]] == -torch.inf:
            marks.append(0.0)
            continue
        best = scores > scores.max() - 1e-4
        marks.append((best[q["gold"]] / best.sum()).item())
    return marks


def by_sorting(questions):
    marks = []
    for q in questions:
        order = sorted(
            ((s, i) for i, s in enumerate(means(q)) if s == s), key=lambda pair: -pair[0]
        )
        best = [i for s, i in order if order[0][0] - s < 1e-4]
        marks.append((q["gold"] in best) / max(1, len(best)))
    return marks


def flatters(scores, gold):
    return float(not any(s > scores[gold] + 1e-4 for s in scores))


def still_reads_the_token(questions):
    return [shared(means(q, start=0), q["gold"]) for q in questions]


def divides_by_everything(questions):
    return [shared(means(q, by=lambda n, ids: n + len(ids)), q["gold"]) for q in questions]


def does_not_divide(questions):
    return [shared(means(q, by=lambda n, ids: 1), q["gold"]) for q in questions]


def mends_the_scores_alone(questions):
    return [flatters(means(q), q["gold"]) for q in questions]


def mends_the_row_alone(questions):
    scores = [means(q, by=lambda n, ids: n + len(ids)) for q in questions]
    return [flatters(s, q["gold"]) for s, q in zip(scores, questions, strict=True)]


def takes_the_first_of_equals(questions):
    marks = []
    for q in questions:
        scores = [-1e9 if math.isnan(s) else round(s, 5) for s in means(q)]
        right = scores.index(max(scores)) == q["gold"] and max(scores) > -1e9
        marks.append(float(right))
    return marks


def forgives_nan(questions):
    marks = []
    for q in questions:
        scores = means(q)
        marks.append(1.0 if math.isnan(scores[q["gold"]]) else shared(scores, q["gold"]))
    return marks


def chooses_the_nan(questions):
    picked = [torch.tensor(means(q)).argmax().item() for q in questions]
    return [float(p == q["gold"]) for p, q in zip(picked, questions, strict=True)]


def compares_exactly_and_gives_the_gold(questions):
    marks = []
    for q in questions:
        scores = means(q)
        real = [s for s in scores if s == s]
        good = scores[q["gold"]] == scores[q["gold"]] and scores[q["gold"]] >= max(real) - 1e-4
        marks.append(float(good))
    return marks


def gives_the_average(questions):
    marks = with_helpers(questions)
    return sum(marks) / max(1, len(marks))


WRONG = {
    still_reads_the_token: "read each token of the option",
    divides_by_everything: "the length of question and option",
    does_not_divide: "don't divide",
    mends_the_scores_alone: "Two faults are still there",
    mends_the_row_alone: "Three faults are still there",
    takes_the_first_of_equals: "you choose the first",
    forgives_nan: "NaN counts as right",
    chooses_the_nan: "You have",
    compares_exactly_and_gives_the_gold: "give the right one full marks",
    gives_the_average: "You have",
}
RIGHT = [with_helpers, with_tensors, by_sorting]
