"""Answers to bits a byte as learners write them: wrong with their hint, and right."""

import math

import torch


def with_torch(logprobs, text):
    return -(torch.tensor(logprobs, dtype=torch.double) / math.log(2)).sum() / len(text.encode())


def with_log2(logprobs, text):
    bits = 0.0
    for logp in logprobs:
        bits -= logp * math.log2(math.e)
    return bits / len(bytes(text, "utf-8"))


def by_the_size_of_each_letter(logprobs, text):
    size = sum(1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for c in text)
    return math.fsum(-logp for logp in logprobs) / (size * math.log(2))


def counts_characters(logprobs, text):
    return -sum(logp / math.log(2) for logp in logprobs) / len(text)


def counts_tokens(logprobs, text):
    return -torch.tensor(logprobs).mean().item() / math.log(2)


def counts_both(logprobs, text):
    return -torch.tensor(logprobs).mean().item() / math.log(2) / len(text.encode())


def counts_words(logprobs, text):
    return -sum(logprobs) / math.log(2) / len(text.split())


def stays_in_nats(logprobs, text):
    return sum(-logp for logp in logprobs) / len(text.encode())


def multiplies(logprobs, text):
    return -sum(logprobs) * math.log(2) / len(text.encode())


def turns_the_sign(logprobs, text):
    return sum(logprobs) / (math.log(2) * len(text.encode()))


def takes_log2_of_logs(logprobs, text):
    return sum(-math.log2(-logp) for logp in logprobs) / len(text.encode())


def counts_utf16(logprobs, text):
    return -sum(logprobs) / math.log(2) / len(text.encode("utf-16"))


WRONG = {
    counts_characters: "You divide by characters",
    counts_tokens: "bits a token",
    counts_both: "a sum, not a mean",
    counts_words: "You divide by words",
    stays_in_nats: "nats a byte",
    multiplies: "multiply by ln 2",
    turns_the_sign: "The sign is turned",
    takes_log2_of_logs: "You have",
    counts_utf16: "You have",
}
RIGHT = [with_torch, with_log2, by_the_size_of_each_letter]
