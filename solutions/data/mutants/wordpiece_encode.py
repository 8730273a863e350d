"""Answers to WordPiece's longest match as learners write them: wrong with their hint, and right."""


def by_prefixes(word, vocabulary):
    found, rest, mark = [], word, ""
    while rest:
        fits = [n for n in range(1, len(rest) + 1) if mark + rest[:n] in vocabulary]
        if not fits:
            return ["[UNK]"]
        found.append(mark + rest[: max(fits)])
        rest, mark = rest[max(fits) :], "##"
    return found


def by_sorted_pieces(word, vocabulary):
    pieces = sorted(vocabulary, key=len, reverse=True)
    found = []
    while word:
        for piece in pieces:
            bare = piece[2:] if piece.startswith("##") else piece
            inside = piece.startswith("##")
            if bare and inside == bool(found) and word.startswith(bare):
                found.append(piece)
                word = word[len(bare) :]
                break
        else:
            return ["[UNK]"]
    return found


def by_recursion(word, vocabulary, mark=""):
    if not word:
        return []
    for end in range(len(word), 0, -1):
        if mark + word[:end] in vocabulary:
            rest = by_recursion(word[end:], vocabulary, "##")
            return ["[UNK]"] if rest == ["[UNK]"] else [mark + word[:end], *rest]
    return ["[UNK]"]


def looks_up_without_the_mark(word, vocabulary):
    found = []
    while word:
        end = len(word)
        while end and word[:end] not in vocabulary:
            end -= 1
        if end == 0:
            return ["[UNK]"]
        found.append(word[:end])
        word = word[end:]
    return found


def returns_bare_pieces(word, vocabulary):
    return [piece.replace("##", "") for piece in by_prefixes(word, vocabulary)]


def takes_the_first_that_fits(word, vocabulary):
    found, start = [], 0
    while start < len(word):
        mark = "##" * (start > 0)
        for end in range(start + 1, len(word) + 1):
            if mark + word[start:end] in vocabulary:
                break
        else:
            return ["[UNK]"]
        found.append(mark + word[start:end])
        start = end
    return found


def unknown_for_a_letter(word, vocabulary):
    found, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        ends = [e for e in range(start + 1, len(word) + 1) if mark + word[start:e] in vocabulary]
        found.append(mark + word[start : ends[-1]] if ends else "[UNK]")
        start = ends[-1] if ends else start + 1
    return found


def keeps_what_it_has(word, vocabulary):
    found = unknown_for_a_letter(word, vocabulary)
    return found if "[UNK]" not in found else found[: found.index("[UNK]")] + ["[UNK]"]


def drops_unknown_letters(word, vocabulary):
    return [piece for piece in unknown_for_a_letter(word, vocabulary) if piece != "[UNK]"]


def goes_back(word, vocabulary, mark=""):
    if not word:
        return []
    for end in range(len(word), 0, -1):
        if mark + word[:end] in vocabulary:
            rest = goes_back(word[end:], vocabulary, "##")
            if rest != ["[UNK]"]:
                return [mark + word[:end], *rest]
    return ["[UNK]"]


def never_ends_at_the_last_letter(word, vocabulary):
    found, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        for end in range(len(word) - 1, start, -1):
            if mark + word[start:end] in vocabulary:
                found.append(mark + word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return found


def answers_with_a_text(word, vocabulary):
    return " ".join(by_prefixes(word, vocabulary))


WRONG = {
    looks_up_without_the_mark: "without their mark",
    returns_bare_pieces: "have lost their mark",
    takes_the_first_that_fits: "the shortest piece",
    unknown_for_a_letter: "for each character without a piece",
    keeps_what_it_has: "found before the gap",
    drops_unknown_letters: "leave characters without a piece out",
    goes_back: "the longest piece is final",
    never_ends_at_the_last_letter: "You have",
    answers_with_a_text: "You have",
}
RIGHT = [by_prefixes, by_sorted_pieces, by_recursion]
