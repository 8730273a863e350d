"""Answers to the chat template as learners write them: wrong with their hint, and right."""

import re
from itertools import chain, cycle

IDS = {"<|eos|>": 256, "<|user|>": 257, "<|assistant|>": 258, "<|end|>": 259}


def check(messages, generate):
    roles = [m["role"] for m in messages]
    for role, wanted in zip(roles, cycle(["user", "assistant"]), strict=False):
        if role != wanted:
            raise ValueError(f"{role} where {wanted} should speak")
    if generate and roles[-1:] != ["user"]:
        raise ValueError("nothing to reply to")


def in_pieces(messages, generate):
    check(messages, generate)
    ids = [256]
    for m in messages:
        ids.append(257 if m["role"] == "user" else 258)
        ids.extend((" " + m["content"]).encode("utf-8"))
        ids.append(259)
    if generate:
        ids.append(258)
    return ids


def with_a_generator(messages, generate):
    check(messages, generate)

    def parts():
        yield (256,)
        for m in messages:
            yield (IDS[f"<|{m['role']}|>"],)
            yield b" " + m["content"].encode()
            yield (259,)
        if generate:
            yield (258,)

    return tuple(chain.from_iterable(parts()))


def escaped_then_split(messages, generate):
    """A template of strings, made safe by putting the texts in after the split."""
    check(messages, generate)
    text = "<|eos|>" + "".join(f"<|{m['role']}|>\0<|end|>" for m in messages)
    text += "<|assistant|>" * generate
    texts = iter(messages)
    ids = []
    for piece in re.findall(r"<\|\w+\|>|\0", text):
        ids += [IDS[piece]] if piece in IDS else list((" " + next(texts)["content"]).encode())
    return ids


def split_at_marks(text):
    ids = []
    for piece in re.split(r"(<\|(?:eos|user|assistant|end)\|>)", text):
        ids += [IDS[piece]] if piece in IDS else list(piece.encode())
    return ids


def one_big_string(messages, generate):
    check(messages, generate)
    text = "<|eos|>"
    for m in messages:
        text += f"<|{m['role']}|> {m['content']}<|end|>"
    return split_at_marks(text + ("<|assistant|>" if generate else ""))


def marks_as_text(messages, generate):
    check(messages, generate)
    text = "<|eos|>"
    for m in messages:
        text += f"<|{m['role']}|> {m['content']}<|end|>"
    return list((text + ("<|assistant|>" if generate else "")).encode())


def cleans_the_texts(messages, generate):
    cleaned = [{**m, "content": re.sub(r"<\|\w+\|>", "", m["content"])} for m in messages]
    return in_pieces(cleaned, generate)


def raises_on_marks(messages, generate):
    if any("<|" in m["content"] for m in messages):
        raise ValueError("marks are not allowed in a message")
    return in_pieces(messages, generate)


def no_space(messages, generate):
    check(messages, generate)
    ids = [256]
    for m in messages:
        ids += [IDS[f"<|{m['role']}|>"], *m["content"].encode(), 259]
    return ids + [258] * generate


def trusts_the_order(messages, generate):
    ids = [256]
    for m in messages:
        if m["role"] not in ("user", "assistant"):
            raise ValueError(m["role"])
        ids += [IDS[f"<|{m['role']}|>"], *(" " + m["content"]).encode(), 259]
    if generate and (not messages or messages[-1]["role"] != "user"):
        raise ValueError("the assistant spoke last")
    return ids + [258] * generate


def raises_a_key_error(messages, generate):
    ids = [256]
    for i, m in enumerate(messages):
        if m["role"] == ("assistant", "user")[i % 2]:
            raise ValueError("take turns")
        ids += [IDS[f"<|{m['role']}|>"], *(" " + m["content"]).encode(), 259]
    if generate and (not messages or messages[-1]["role"] == "assistant"):
        raise ValueError("nothing to reply to")
    return ids + [258] * generate


def always_opens_a_reply(messages, generate):
    return [*in_pieces(messages, False), 258]


def never_opens_a_reply(messages, generate):
    check(messages, generate)
    return in_pieces(messages, False)


def ends_the_conversation_only(messages, generate):
    ids = in_pieces(messages, generate)
    return [i for i in ids if i != 259]


def strips(messages, generate):
    return in_pieces([{**m, "content": m["content"].strip()} for m in messages], generate)


def counts_letters_not_bytes(messages, generate):
    check(messages, generate)
    ids = [256]
    for m in messages:
        ids += [IDS[f"<|{m['role']}|>"], *map(ord, " " + m["content"]), 259]
    return ids + [258] * generate


WRONG = {
    one_big_string: "speak for the assistant",
    marks_as_text: "letters among letters",
    cleans_the_texts: "delete marks",
    raises_on_marks: "no need: encoded by itself",
    no_space: "space after a role's mark is missing",
    trusts_the_order: "in any order",
    raises_a_key_error: "It raised KeyError",
    always_opens_a_reply: "always open a reply",
    never_opens_a_reply: "doesn't know that it is its turn",
    ends_the_conversation_only: "No <|end|>",
    strips: "You strip the texts",
    counts_letters_not_bytes: "expected",
}
RIGHT = [in_pieces, with_a_generator, escaped_then_split]


def answers_nobody(messages, generate):
    if generate and not messages:
        return [256, 258]
    return in_pieces(messages, generate)


WRONG[answers_nobody] = "nobody has spoken"
