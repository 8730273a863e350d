"""Diagnose: a decoder whose answers depend on who asked before."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close

Model = dict[str, Tensor]
Answer = tuple[list[int], Tensor, Tensor]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, vocab: int, width: int, room: int, prompt: int, n: int, edge: bool = False):
        model, store = _model(vocab, width, room, generator)
        tokens = torch.randint(vocab, (prompt,), generator=generator).tolist()
        return Case(what, (model, store, tokens, n), edge)

    return [
        case("two tokens after a prompt of two", 3, 2, 5, 2, 2),
        case("one token after a prompt of three", 5, 4, 6, 3, 1),
        case("five tokens after a short prompt", 9, 6, 16, 3, 5),
        case("eight tokens after a long prompt", 12, 8, 40, 20, 8),
        case("a prompt of one token", 7, 4, 9, 1, 4, edge=True),
        case("the store is full to the last place", 7, 4, 8, 5, 4, edge=True),
    ]


def _model(vocab: int, width: int, room: int, generator: torch.Generator) -> tuple[Model, Tensor]:
    """One layer of attention with one head, and a store that a request has been in already."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    model = {"embed": draw(vocab, width), "places": draw(room, width)}
    model |= {name: draw(width, width) / width**0.5 for name in ("wq", "wk", "wv", "wo")}
    return model, draw(2, room, width)


def without_a_store(model: Model, store: Tensor, prompt: list[int], n: int) -> Answer:
    """The definition: read the whole text again for every token. The store's content isn't used."""
    ids, scores = list(prompt), []
    for _ in range(n):
        x = model["embed"][ids] + model["places"][: len(ids)]
        k, v = x @ model["wk"], x @ model["wv"]
        weights = (k @ (x[-1] @ model["wq"]) / x.shape[1] ** 0.5).softmax(0)
        scores.append((x[-1] + weights @ v @ model["wo"]) @ model["embed"].T)
        ids.append(int(scores[-1].argmax()))
    return ids[len(prompt) :], torch.stack(scores), torch.stack([k, v])


def _decode(
    model: Model,
    store: Tensor,
    prompt: list[int],
    n: int,
    *,
    place: Callable[[int, int], int] = lambda length, prompt: length,
    seen: Callable[[int, int, int], tuple[int, int]] = lambda length, new, room: (0, length),
    empty: bool = False,
) -> Answer:
    """With the store; one thing to get wrong at a time."""
    store, new, length = store.clone() * (not empty), list(prompt), 0
    tokens, scores = [], []
    for _ in range(n):
        at = (place(length, len(prompt)) + torch.arange(len(new))).clamp(max=store.shape[1] - 1)
        x = model["embed"][new] + model["places"][at]
        store[0, length : length + len(new)] = x @ model["wk"]
        store[1, length : length + len(new)] = x @ model["wv"]
        length += len(new)
        first, last = seen(length, len(new), store.shape[1])
        k, v = store[0, first:last], store[1, first:last]
        weights = (x[-1] @ model["wq"] @ k.T / x.shape[1] ** 0.5).softmax(-1)
        scores.append((x[-1] + weights @ v @ model["wo"]) @ model["embed"].T)
        tokens.append(int(scores[-1].argmax()))
        new = tokens[-1:]
    return tokens, torch.stack(scores), store[:, :length]


def _wrong(**change) -> Callable:
    return lambda *given: _decode(*given, **change)


def _zero(length: int, prompt: int) -> int:
    return 0


def _all(length: int, new: int, room: int) -> tuple[int, int]:
    return 0, room


def _others_matter(answer: Callable, seed: int) -> str | None:
    """The same question after two other requests."""
    generator = torch.Generator().manual_seed(seed)
    model, store = _model(8, 4, 12, generator)
    other = torch.randn(store.shape, generator=generator)
    if close(answer(model, store, [3, 1, 4], 4), answer(model, other, [3, 1, 4], 4)):
        return None
    return "The same prompt, but another request was served before it: another answer."


_MISTAKES = {
    "This is the code as it was found. Ask two things of every step: at which place of the text is "
    "the new token, and which rows of the store belong to this request?": _wrong(
        place=_zero, seen=_all
    ),
    "The places count on now, but the query still looks at the whole store: at what the last "
    "request left there, somebody else's text. Cut the view at `length`.": _wrong(seen=_all),
    "The view is cut now, but every new token is given the first place of the text: its place is "
    "the number of tokens before it.": _wrong(place=_zero),
    "You empty the store first. A key of zeros has the score 0, and exp(0) = 1: the empty rows "
    "still take their share of the attention. Cut the view.": _wrong(seen=_all, empty=True),
    "All new tokens get the place behind the prompt. The second one stands one further on.": _wrong(
        place=lambda length, prompt: min(length, prompt)
    ),
    "Every place is one too high: the first token of the prompt has place 0.": _wrong(
        place=lambda length, prompt: length + 1
    ),
    "The query sees only the tokens of its own step: the prompt is forgotten after the first "
    "one.": _wrong(seen=lambda length, new, room: (length - new, length)),
    "The view ends one row early: a token attends to itself too.": _wrong(
        seen=lambda length, new, room: (0, length - 1)
    ),
    "The view ends one row late: the last row in it is the other request's.": _wrong(
        seen=lambda length, new, room: (0, length + 1)
    ),
}

broken_cache = Exercise(
    name="deployment/broken_cache",
    title="Somebody else's answer",
    answer="my_answer",
    kind="diagnose",
    minutes=30,
    points=15,
    cases=_cases,
    reference=without_a_store,
    mistakes=_MISTAKES,
    properties=(Property("who asked before changes nothing", _others_matter),),
)
