"""Answers to the broken collator as learners write them: wrong with their hint, and right."""

import torch
from torch.nn.utils.rnn import pad_sequence


def padded(examples, eos_id):
    rows = [torch.tensor(prompt + reply) for prompt, reply in examples]
    return pad_sequence(rows, batch_first=True, padding_value=eos_id)


def by_padding_the_labels(examples, eos_id):
    labels = [torch.tensor([-100] * len(prompt) + reply) for prompt, reply in examples]
    labels = pad_sequence(labels, batch_first=True, padding_value=-100)
    return {"input_ids": padded(examples, eos_id), "labels": labels}


def by_places(examples, eos_id):
    ids = padded(examples, eos_id)
    place = torch.arange(ids.shape[1])
    begin = torch.tensor([len(p) for p, _ in examples])[:, None]
    end = torch.tensor([len(p) + len(r) for p, r in examples])[:, None]
    return {"labels": ids.where((place >= begin) & (place < end), -100), "input_ids": ids}


def by_lists(examples, eos_id):
    width = max(len(p + r) for p, r in examples)
    ids, labels = [], []
    for prompt, reply in examples:
        rest = width - len(prompt) - len(reply)
        ids.append(prompt + reply + [eos_id] * rest)
        labels.append([-100] * len(prompt) + reply + [-100] * rest)
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}


def mends_the_shift_alone(examples, eos_id):
    ids = padded(examples, eos_id)
    labels = ids.clone()
    labels[labels == eos_id] = -100
    return {"input_ids": ids, "labels": labels}


def mends_the_prompt_alone(examples, eos_id):
    ids = padded(examples, eos_id)
    labels = ids.roll(-1, dims=1)
    labels[:, -1] = -100
    for row, (prompt, _) in enumerate(examples):
        labels[row, : len(prompt) - 1] = -100
    labels[labels == eos_id] = -100
    return {"input_ids": ids, "labels": labels}


def mends_the_end_alone(examples, eos_id):
    ids = padded(examples, eos_id)
    labels = ids.roll(-1, dims=1)
    for row, (prompt, reply) in enumerate(examples):
        labels[row, len(prompt) + len(reply) - 1 :] = -100
    return {"input_ids": ids, "labels": labels}


def leaves_the_end_masked(examples, eos_id):
    batch = by_places(examples, eos_id)
    labels = batch["labels"].clone()
    labels[batch["input_ids"] == eos_id] = -100
    return {**batch, "labels": labels}


def leaves_the_shift(examples, eos_id):
    batch = by_places(examples, eos_id)
    labels = batch["labels"].roll(-1, 1)
    labels[:, -1] = -100
    return {**batch, "labels": labels}


def leaves_the_prompt(examples, eos_id):
    ids = padded(examples, eos_id)
    labels = ids.clone()
    for row, (prompt, reply) in enumerate(examples):
        labels[row, len(prompt) + len(reply) :] = -100
    return {"input_ids": ids, "labels": labels}


def counts_the_padding(examples, eos_id):
    ids = padded(examples, eos_id)
    labels = ids.clone()
    for row, (prompt, _) in enumerate(examples):
        labels[row, : len(prompt)] = -100
    return {"input_ids": ids, "labels": labels}


def shifts_back(examples, eos_id):
    batch = by_places(examples, eos_id)
    labels = batch["labels"].roll(1, 1)
    labels[:, 0] = -100
    return {**batch, "labels": labels}


def drops_the_last_place(examples, eos_id):
    batch = by_places(examples, eos_id)
    return {"input_ids": batch["input_ids"][:, :-1], "labels": batch["labels"][:, 1:]}


WRONG = {
    mends_the_shift_alone: "Two faults are left: the last <|eos|>",
    mends_the_prompt_alone: "Two faults are left: the labels are shifted",
    mends_the_end_alone: "Two faults are left: the labels are shifted",
    leaves_the_end_masked: "One fault is left: the last <|eos|>",
    leaves_the_shift: "One fault is left: the labels are shifted",
    leaves_the_prompt: "One fault is left: the prompt",
    counts_the_padding: "Now the padding counts",
    shifts_back: "the other way",
    drops_the_last_place: "input_ids",
}
RIGHT = [by_padding_the_labels, by_places, by_lists]
