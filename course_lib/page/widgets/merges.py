"""What the page's playground of merges needs of a tokenizer, as JSON."""

from course_lib.data.tokenization.tokenizer import Tokenizer, byte_alphabet


def merge_data(tokenizer: Tokenizer, text: str) -> dict:
    """The merge table for `widgets/merges.js`. Raises ValueError for another pattern than "course".

    bytes: the id of each byte value; names: how each token looks (spaces as ·, a byte that is no
    character by its value in hexadecimal).
    """
    if tokenizer.pattern.name != "course":
        raise ValueError(
            f'pattern {tokenizer.pattern.name!r}: the playground cuts text by "course" only'
        )
    n_specials = len(tokenizer.specials)
    ids = {byte: n_specials + place for place, byte in enumerate(byte_alphabet())}
    return {
        "merges": [list(pair) for pair in tokenizer.merges],
        "bytes": [ids[byte] for byte in range(256)],
        "names": [_shown(raw) for raw in tokenizer.token_bytes],
        "first": n_specials + 256,
        "text": text,
    }


def _shown(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"‹{byte:02x}›" for byte in raw)
    text = text.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥")
    return text if text.isprintable() else "".join(f"‹{byte:02x}›" for byte in raw)
