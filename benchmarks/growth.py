"""Functions that read outside text, on texts made to be slow: time at 4n characters over time at n.

Linear is 4, quadratic 16, cubic 64. A page of 2.4 kB once cost 3.3 s, one of 80 kB 6.4 s.
"""

import sys
import time
from collections.abc import Callable

from course_lib.data.deduplication.shingling import shingles
from course_lib.data.extraction.clean import clean
from course_lib.data.extraction.encodings import decode
from course_lib.data.extraction.extract import extract, strip_tags
from course_lib.data.filtering.classifier import rubric
from course_lib.data.filtering.quality import judge
from course_lib.data.filtering.web_rules import c4, fineweb, gopher, repetition
from course_lib.data.privacy.protect import examine
from course_lib.data.privacy.recognisers import RECOGNISERS
from course_lib.data.tokenization.pretokenize import PATTERNS
from course_lib.data.tokenization.tokenizer import train_bpe

LENGTH = 20_000
PIECES = (
    *("<div>", "<p>a", "<a", "<!--", "<!-->", "<", "</a", "&", "&#x", "<meta ", "<![CDATA["),
    *("<![if ", "<!", "<?", '<a b="', "<a b='", "<script>", "<ul><li>", "<tr><td>", "<b>", "<a/"),
    *("a@", "a.", "ab:", "1:", "1.", "copyright ", "written ", "Dr ", "DE12 ", "+1", "(1) "),
    *("a@b.co ", "212-736-5000 ", "1.2.3.4 ", "Dr Ab ", "ab", "é", "日本", " .", "\r"),
    *("1 ", " ", "\n", " \n", "a ", "Aa ", "A", "A\n", "#", "...", "- ", "[", "[edit]", '." '),
    *("::", ":: "),
)
ENDS = ("g", ">", "-->", '"')


def functions() -> dict[str, Callable[[str], object]]:
    """Whatever is handed the text of strangers."""
    named = {f.__name__: f for f in (extract, strip_tags, clean, rubric, judge)}
    named |= {f.__name__: f for f in (c4, fineweb, gopher, repetition)}
    named |= {"decode": lambda text: decode(text.encode()), "shingles": lambda t: shingles(t, 5)}
    named |= {"examine": examine, "encode": train_bpe(["ab ab the mill"], 280).encode}
    named |= {f"split {name}": pattern.split for name, pattern in PATTERNS.items()}
    return named | {n: lambda text, f=f: list(f(text)) for n, f in RECOGNISERS.items()}


def seconds(call: Callable[[str], object], text: str) -> float:
    """The least of two runs: what else the machine did is left out."""
    times = []
    for _ in range(2):
        began = time.process_time()
        call(text)
        times.append(time.process_time() - began)
    return min(times)


def main() -> int:
    """The worst text of each function; 1 where one grows clearly faster than its text."""
    steep = 0
    for name, call in functions().items():
        worst = (0.0, 0.0, "")
        for piece in PIECES:
            for end in ENDS:
                text = piece * (LENGTH // len(piece))
                short, long = (seconds(call, text * n + end) for n in (1, 4))
                if long > 0.02:  # below that the clock decides
                    worst = max(worst, (long / max(short, 1e-4), long, repr(piece + end)))
        ratio, long, text = worst
        steep += ratio > 8
        print(f"{name:<14} {ratio:>6.1f}x for 4x the text ({long:.3f} s, {text or 'none slow'})")
    return int(steep > 0)


if __name__ == "__main__":
    sys.exit(main())
