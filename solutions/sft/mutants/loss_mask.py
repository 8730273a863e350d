"""Answers to the loss mask as learners write them: wrong with their hint, and right."""

import torch


def counts_every_token(prompt, reply):
    row = torch.tensor(prompt + reply)
    return row[:-1], row[1:]


def masks_the_inputs_length(prompt, reply):
    tokens = prompt + reply
    targets = tokens[1:]
    for i in range(len(prompt)):
        targets[i] = -100
    return tokens[:-1], targets


def masks_one_too_few(prompt, reply):
    tokens = prompt + reply
    targets = tokens[1:]
    for i in range(len(prompt) - 2):
        targets[i] = -100
    return tokens[:-1], targets


def forgets_the_shift(prompt, reply):
    labels = list(prompt + reply)
    labels[: len(prompt)] = [-100] * len(prompt)
    return prompt + reply, labels


def shifts_the_inputs_alone(prompt, reply):
    labels = [-100 for _ in prompt] + reply
    return (prompt + reply)[:-1], labels[:-1]


def fills_with_eos(prompt, reply):
    return (prompt + reply)[:-1], [0] * (len(prompt) - 1) + reply


def stops_before_the_end(prompt, reply):
    tokens = prompt + reply
    targets = [-100] * (len(prompt) - 1) + reply[:-1] + [-100]
    return tokens[:-1], targets


def keeps_the_last_input(prompt, reply):
    tokens = prompt + reply
    return tokens, [-100] * (len(prompt) - 1) + tokens[len(prompt) :]


def looks_for_the_reply_in_the_row(prompt, reply):
    tokens = prompt + reply
    start = tokens.index(reply[0])
    return tokens[:-1], [-100] * (start - 1) + tokens[start:]


def swaps_the_two(prompt, reply):
    tokens = prompt + reply
    return [-100] * (len(prompt) - 1) + reply, tokens[:-1]


def by_position(prompt, reply):
    tokens = [*prompt, *reply]
    targets = [tokens[t + 1] if t + 1 >= len(prompt) else -100 for t in range(len(tokens) - 1)]
    return tokens[:-1], targets


def as_tensors(prompt, reply):
    row = torch.tensor([*prompt, *reply])
    targets = row.roll(-1)[:-1].clone()
    targets[: len(prompt) - 1] = -100
    return [row[:-1], targets]


def label_then_shift(prompt, reply):
    tokens, labels = prompt + reply, [-100] * len(prompt) + reply
    return tokens[:-1], labels[1:]


WRONG = {
    counts_every_token: "learns to write questions",
    masks_the_inputs_length: "one position too late",
    masks_one_too_few: "one position too early",
    forgets_the_shift: "not shifted: position t",
    shifts_the_inputs_alone: "cut to the right length but not shifted",
    fills_with_eos: "0 is a token",
    stops_before_the_end: "never learns to stop",
    keeps_the_last_input: "inputs are one longer",
    looks_for_the_reply_in_the_row: "repeats a word",
    swaps_the_two: "Part 0 of what you returned",
}
RIGHT = [by_position, as_tensors, label_then_shift]
