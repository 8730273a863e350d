"""Answers to somebody else's answer as learners write them: wrong with their hint, and right."""

import torch


def decode(model, store, prompt, n, places=None, view=None, prepare=None):
    store = prepare(store) if prepare else store.clone()
    ids, done, scores = list(prompt), 0, []
    for _ in range(n):
        new = ids[done:]
        where = places(done, new) if places else slice(done, done + len(new))
        x = model["embed"][new] + model["places"][where]
        for row, name in enumerate(("wk", "wv")):
            store[row, done : done + len(new)] = x @ model[name]
        before, done = done, done + len(new)
        k, v = store[:, view(before, done) if view else slice(0, done)]
        weights = torch.softmax(k @ (x[-1] @ model["wq"]) / k.shape[-1] ** 0.5, 0)
        scores.append(model["embed"] @ (x[-1] + (weights @ v) @ model["wo"]))
        ids.append(int(scores[-1].argmax()))
    return ids[len(prompt) :], torch.stack(scores), store[:, :done]


def by_slices(model, store, prompt, n):
    return decode(model, store, prompt, n)


def by_a_mask(model, store, prompt, n):
    store, new, length, tokens, scores = store.clone(), list(prompt), 0, [], []
    for _ in range(n):
        x = model["embed"][new] + model["places"][length : length + len(new)]
        store[0, length : length + len(new)] = x @ model["wk"]
        store[1, length : length + len(new)] = x @ model["wv"]
        length += len(new)
        raw = (x @ model["wq"])[-1] @ store[0].T / x.shape[1] ** 0.5
        raw[length:] = float("-inf")
        logits = (x[-1] + raw.softmax(-1) @ store[1] @ model["wo"]) @ model["embed"].T
        tokens.append(int(logits.argmax()))
        scores.append(logits)
        new = [tokens[-1]]
    return tokens, torch.stack(scores), store[:, :length]


def by_a_growing_list(model, store, prompt, n):
    """No store at all: keys and values in lists."""
    keys, values, ids, tokens, scores = [], [], list(prompt), [], []
    for _ in range(n):
        for t in range(len(keys), len(ids)):
            x = model["embed"][ids[t]] + model["places"][t]
            keys.append(x @ model["wk"])
            values.append(x @ model["wv"])
        k, v = torch.stack(keys), torch.stack(values)
        weights = (k @ (x @ model["wq"]) * x.shape[0] ** -0.5).softmax(0)
        scores.append((x + weights @ v @ model["wo"]) @ model["embed"].T)
        ids.append(int(scores[-1].argmax()))
        tokens.append(ids[-1])
    return tokens, torch.stack(scores), torch.stack([k, v])


def only_the_places_mended(model, store, prompt, n):
    return decode(model, store, prompt, n, view=lambda before, done: slice(None))


def only_the_view_mended(model, store, prompt, n):
    return decode(model, store, prompt, n, lambda done, new: slice(0, len(new)))


def empties_the_store(model, store, prompt, n):
    return decode(
        model, store, prompt, n, view=lambda before, done: slice(None), prepare=torch.zeros_like
    )


def always_behind_the_prompt(model, store, prompt, n):
    def places(done, new):
        return slice(0, len(new)) if not done else slice(len(prompt), len(prompt) + 1)

    return decode(model, store, prompt, n, places)


def forgets_the_prompt(model, store, prompt, n):
    return decode(model, store, prompt, n, view=lambda before, done: slice(before, done))


def not_itself(model, store, prompt, n):
    return decode(model, store, prompt, n, view=lambda before, done: slice(0, done - 1))


def one_row_more(model, store, prompt, n):
    return decode(model, store, prompt, n, view=lambda before, done: slice(0, done + 1))


def writes_into_the_store_it_got(model, store, prompt, n):
    return decode(model, store, prompt, n, prepare=lambda store: store)


def forgets_to_scale(model, store, prompt, n):
    louder = {**model, "wq": model["wq"] * model["wq"].shape[0] ** 0.5}
    return decode(louder, store, prompt, n)


def starts_from_place_zero_after_the_prompt(model, store, prompt, n):
    def places(done, new):
        return slice(0, len(new)) if not done else slice(done - len(prompt), done - len(prompt) + 1)

    return decode(model, store, prompt, n, places)


WRONG = {
    only_the_places_mended: "still looks at the whole store",
    only_the_view_mended: "given the first place",
    empties_the_store: "exp(0) = 1",
    always_behind_the_prompt: "place behind the prompt",
    forgets_the_prompt: "tokens of its own step",
    not_itself: "one row early",
    one_row_more: "one row late",
    writes_into_the_store_it_got: "changed its argument in place",
    forgets_to_scale: "expected",
    starts_from_place_zero_after_the_prompt: "expected",
}
RIGHT = [by_slices, by_a_mask, by_a_growing_list]
