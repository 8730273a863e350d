"""Answers to one merge of BPE as learners write them: wrong with their hint, and right."""

from collections import Counter, defaultdict


def replaced(word, pair, new):
    out = list(word)
    i = 0
    while i < len(out) - 1:
        if (out[i], out[i + 1]) == pair:
            out[i : i + 2] = [new]
        i += 1
    return tuple(out)


def counted(words):
    counts = defaultdict(int)
    for word, n in words.items():
        for left, right in zip(word, word[1:], strict=False):
            counts[left, right] += n
    return counts


def with_a_sort(words, new):
    counts = counted(words)
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[0][0]
    return best, {replaced(word, best, new): n for word, n in words.items()}


def in_two_passes(words, new):
    counts = counted(words)
    most = max(counts.values())
    best = min(pair for pair, n in counts.items() if n == most)
    out = {}
    for word, n in words.items():
        stack = []
        for token in word:
            if stack and (stack[-1], token) == best:
                stack[-1] = new
            else:
                stack.append(token)
        out[tuple(stack)] = n
    return best, out


def with_characters(words, new):
    counts = Counter()
    for word, n in words.items():
        counts.update({pair: 0 for pair in zip(word, word[1:], strict=False)})
        for i in range(1, len(word)):
            counts[word[i - 1 : i + 1]] += n
    best = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]))
    text = {"".join(map(chr, word)): n for word, n in words.items()}
    seek = "".join(map(chr, best))
    return best, {tuple(map(ord, w.replace(seek, chr(new)))): n for w, n in text.items()}


def counts_words_once(words, new):
    counts = Counter(pair for word in words for pair in zip(word, word[1:], strict=False))
    best = min(counts, key=lambda pair: (-counts[pair], pair))
    return best, {replaced(word, best, new): n for word, n in words.items()}


def takes_most_common(words, new):
    best = Counter(counted(words)).most_common(1)[0][0]
    return best, {replaced(word, best, new): n for word, n in words.items()}


def takes_the_largest_tuple(words, new):
    counts = counted(words)
    best = sorted((n, pair) for pair, n in counts.items())[-1][1]
    return best, {replaced(word, best, new): n for word, n in words.items()}


def joins_all_pieces(words, new):
    text = []
    for word, n in words.items():
        text.extend(list(word) * n)
    counts = Counter(zip(text, text[1:], strict=False))
    best = min(counts, key=lambda pair: (-counts[pair], pair))
    return best, {replaced(word, best, new): n for word, n in words.items()}


def stops_after_the_first(words, new):
    best, _ = with_a_sort(words, new)
    out = {}
    for word, n in words.items():
        for i in range(len(word) - 1):
            if word[i : i + 2] == best:
                word = word[:i] + (new,) + word[i + 2 :]
                break
        out[word] = n
    return best, out


def merges_every_place(words, new):
    best, _ = with_a_sort(words, new)
    out = {}
    for word, n in words.items():
        made = []
        for i, token in enumerate(word):
            if word[i : i + 2] == best:
                made.append(new)
            elif i and word[i - 1 : i + 1] == best:
                continue
            else:
                made.append(token)
        out[tuple(made)] = n
    return best, out


def forgets_the_last_token(words, new):
    best, _ = with_a_sort(words, new)
    out = {}
    for word, n in words.items():
        made, i = [], 0
        while i < len(word) - 1:
            made.append(new if word[i : i + 2] == best else word[i])
            i += 2 if word[i : i + 2] == best else 1
        out[tuple(made)] = n
    return best, out


def returns_the_pair_alone(words, new):
    return with_a_sort(words, new)[0]


def changes_the_words_it_was_given(words, new):
    best, out = with_a_sort(words, new)
    words.clear()
    words.update(out)
    return best, words


WRONG = {
    counts_words_once: "weight it with the word's count",
    takes_most_common: "the one that you met first",
    takes_the_largest_tuple: "you take the highest ids",
    joins_all_pieces: "across the border",
    stops_after_the_first: "`banana` holds `an` twice",
    merges_every_place: "Your merges overlap",
    forgets_the_last_token: "You lose the last token",
    returns_the_pair_alone: "expected 2 values",
    changes_the_words_it_was_given: "in place",
}
RIGHT = [with_a_sort, in_two_passes, with_characters]
