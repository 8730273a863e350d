"""Near-copies: what is found through a disguise, and what honest work isn't taken for."""

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import catalogue
from course_lib.grading.demo_answers import ROPE
from course_lib.grading.reports.copies import compare
from course_lib.grading.reports.copies.compare import near_copies
from course_lib.grading.reports.copies.fingerprints import (
    WINDOW,
    K,
    fingerprints,
    runs,
    tokens,
    winnow,
)
from course_lib.grading.reports.copies.published import Published, published
from course_lib.grading.reports.words import About

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
KNOWN = published(SOLUTIONS, catalogue())

# Right answers to architecture/rope by different people, as they come.
HONEST = {
    "complex": """
        def my_rope(x, positions):
            half = x.size(-1) // 2
            theta = torch.tensor([BASE ** (-2 * c / x.size(-1)) for c in range(half)])
            z = torch.complex(x[..., :half], x[..., half:])
            turn = torch.polar(torch.ones(1), positions.unsqueeze(1).unsqueeze(-1) * theta)
            z = z * turn
            return torch.cat([z.real, z.imag], -1)
    """,
    "rotate_half": """
        def rotate_half(t):
            left, right = torch.split(t, t.shape[-1] // 2, dim=-1)
            return torch.cat([-right, left], dim=-1)

        def my_rope(x, positions):
            inv_freq = 1.0 / (BASE ** (torch.arange(0, x.shape[-1], 2).float() / x.shape[-1]))
            freqs = torch.einsum("bs,d->bsd", positions.float(), inv_freq)
            emb = torch.cat([freqs, freqs], dim=-1)[:, None]
            return x * emb.cos() + rotate_half(x) * emb.sin()
    """,
    "loops": """
        def my_rope(x, positions):
            out = torch.empty_like(x)
            d = x.shape[3]
            for c in range(d // 2):
                phi = positions.to(x.dtype) * BASE ** (-2.0 * c / d)
                cos, sin = phi.cos()[:, None, :], phi.sin()[:, None, :]
                out[:, :, :, c] = x[:, :, :, c] * cos - x[:, :, :, c + d // 2] * sin
                out[:, :, :, c + d // 2] = x[:, :, :, c] * sin + x[:, :, :, c + d // 2] * cos
            return out
    """,
    "matrix": """
        def my_rope(x, positions):
            b, h, s, d = x.shape
            k = torch.arange(d // 2, dtype=torch.float64)
            angle = (positions[..., None] * torch.exp(-2 * k / d * math.log(BASE))).to(x)
            m = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1)
            m = m.reshape(b, 1, s, d // 2, 2, 2)
            pairs = x.reshape(b, h, s, 2, d // 2).transpose(-1, -2)
            turned = (m @ pairs.unsqueeze(-1)).squeeze(-1)
            return turned.transpose(-1, -2).reshape(b, h, s, d)
    """,
    "plain": """
        def my_rope(x, positions):
            dim = x.shape[-1]
            exponent = torch.arange(dim // 2) * 2 / dim
            angle = positions[:, :, None] / BASE**exponent
            cos = torch.cos(angle).unsqueeze(1)
            sin = torch.sin(angle).unsqueeze(1)
            x1 = x[..., : dim // 2]
            x2 = x[..., dim // 2 :]
            return torch.cat((x1 * cos - x2 * sin, x2 * cos + x1 * sin), dim=3)
    """,
}


def copy_of(source, **names):
    """A disguise: other names, other comments, another layout, a docstring."""
    for old, new in names.items():
        source = re.sub(rf"(?<!\.)\b{old}\b", new, source)
    lines = [
        line.split("#")[0].rstrip() + "  # mine!" for line in source.split("\n") if line.strip()
    ]
    head = next(i for i, line in enumerate(lines) if "def my_" in line)
    lines.insert(head + 1, "    '''I thought long about this.'''\n")
    return "\n\n".join(lines).replace(" = ", "  =  ").replace(", ", ",\n      ")


def found(answers, known=KNOWN, exercise=ROPE):
    looks = near_copies({s: {exercise: text} for s, text in answers.items()}, known)
    return {look.student: look.why for look in looks}


def solution(name):
    """The answer's own cell, out of all the solution's code."""
    answer = catalogue()[name].answer
    found = re.search(rf"^def {answer}\b.*?(?=^\S|\Z)", KNOWN[name].solution, re.M | re.S)
    return found.group()


def test_a_class_of_honest_people_is_not_accused():
    assert found(HONEST) == {}
    for one in HONEST:
        for other in HONEST:
            pair = {"a": HONEST[one], "b": HONEST[other]} if one != other else {}
            assert found(pair) == {}, (one, other)


RENAMED = {"x": "q", "positions": "p", "dim": "n", "exponent": "e", "angle": "w", "cos": "c0"}


@pytest.mark.parametrize("others", [0, 4, 25])
def test_a_disguised_copy_is_found_in_classes_of_any_size(others):
    honest = [text for name, text in HONEST.items() if name != "plain"]
    class_ = {f"s{i:02}": honest[i % 4] for i in range(others) if i < 4}
    class_ |= {
        f"s{i:02}": f"def my_rope(x, positions):\n    return x + {i}" for i in range(4, others)
    }
    class_ |= {"ann": HONEST["plain"], "bob": copy_of(HONEST["plain"], **RENAMED)}
    told = found(class_)
    assert set(told) == {"ann"}
    assert told["ann"].startswith("much the same program as bob: 100% is shared")


def test_a_copy_with_a_line_changed_and_another_added_is_found():
    changed = copy_of(HONEST["rotate_half"], t="u", emb="angles")
    changed = changed.replace("return x", "y = x.clone()\n    assert y is not x\n    return x")
    told = found({**HONEST, "zed": changed})
    assert set(told) == {"rotate_half"} and "zed" in told["rotate_half"]
    assert 60 <= int(re.search(r"(\d+)%", told["rotate_half"])[1]) < 100


def test_a_group_is_named_once_and_with_names():
    class_ = {n: copy_of(HONEST["plain"], x=f"x{i}") for i, n in enumerate(("ann", "bob", "cy"))}
    sources = {s: {ROPE: text} for s, text in {**class_, "dan": HONEST["loops"]}.items()}
    about = About(names={"bob": "Bob Roy", "cy": "cy"})
    (look,) = near_copies(sources, KNOWN, about)
    assert (look.student, look.exercise) == ("ann", ROPE)
    assert look.why.startswith("much the same program as Bob Roy (bob), cy: at least 100% is")


@pytest.mark.parametrize("copies", [1, 12, 30])
def test_the_published_solution_is_known_however_many_copy_it(copies):
    names = {"speeds": "freq", "angles": "phi", "first": "u", "second": "v", "a": "l", "b": "r"}
    class_ = {f"s{i:02}": copy_of(solution(ROPE), **names) for i in range(copies)}
    told = found(class_ | (HONEST if copies < 30 else {}))
    assert set(told) == {f"s{i:02}" for i in range(copies)}
    assert set(told.values()) == {"100% of it is in the published solution"}, "and no pairs"


SHORT = ("alignment/reward_model", "evaluation/questions_needed", "evaluation/bits_per_byte")


@pytest.mark.parametrize("name", [*SHORT, "sft/loss_mask", "alignment/dpo_loss"])
@pytest.mark.parametrize("students", [2, 5, 30])
def test_short_answers_are_alike_by_themselves(name, students):
    class_ = {f"s{i}": f"def other(x):\n    return {i} * x" for i in range(students)}
    class_ |= {"ann": solution(name), "bob": copy_of(solution(name))}
    assert found(class_, exercise=name) == {}


def test_the_courses_own_function_is_nobodys_copy():
    """Written by somebody else for the same exercise: as independent as there are."""
    for name, exercise in catalogue().items():
        own = inspect.getsource(exercise.reference)
        assert found({"ann": solution(name), "bob": own}, {}, name) == {}, name
        assert "bob" not in found({"bob": own}, KNOWN, name), name


@pytest.mark.parametrize("name", ["scaling/compute_optimal", "pretraining/masked_cross_entropy"])
def test_five_lines_are_named_where_only_two_of_many_wrote_them(name):
    class_ = {f"s{i}": f"def other(x):\n    return {i} * x" for i in range(28)}
    pair = {"ann": solution(name), "bob": copy_of(solution(name))}
    hers = {s: {name: text} for s, text in {**class_, **pair}.items()}
    template = Published(template=KNOWN[name].template)
    (look,) = near_copies(hers, {name: template})
    assert look.student == "ann" and "bob" in look.why
    several = {f"t{i}": solution(name) + f"\n\nz = {i}" for i in range(12)}
    hers |= {s: {name: text} for s, text in several.items()}
    assert near_copies(hers, {name: template}) == [], "where many write it, it's what one writes"


@pytest.mark.parametrize("name", [n for n in KNOWN if "broken" in n])
def test_what_the_notebook_gives_is_no_copy(name):
    """A fault to be mended in code that everyone was given."""
    template = KNOWN[name].template
    class_ = {f"s{i}": f"{template}\nSTEPS = {i}" for i in range(6)}
    assert found(class_, exercise=name) == {}


def test_what_most_of_a_class_writes_weighs_little():
    lines = [f"    a{i} = x.clamp(min={i}).cumsum(dim={i}) + torch.ones({i})" for i in range(4)]
    common = "def my_rope(x, positions):\n" + "\n".join(lines)
    own = "\n    y{0} = x.roll({0}) / (x.norm() - {0}) @ x.diag({0}).view(-1, {0}, 2)"
    class_ = {
        f"s{i:02}": common + "".join(own.format(7 * i + j) for j in range(5)) for i in range(20)
    }
    assert found(class_, {}) == {}
    pair = {name: class_[name] for name in ("s00", "s01")}
    shared = fingerprints(pair["s00"]) & fingerprints(pair["s01"])
    assert len(shared) >= compare.SHARED, "enough of it is the same"


WORDS = st.lists(st.sampled_from("abcdef"), min_size=K + WINDOW - 1, max_size=40)


@given(WORDS, WORDS, WORDS)
def test_a_long_run_in_common_gives_a_fingerprint_in_common(before, shared, after):
    one, other = winnow(runs(before + shared)), winnow(runs(shared + after))
    assert one & other


@given(st.text(alphabet="\"'\\#\n rbfdef(x):=1.é", max_size=60))
def test_any_text_has_tokens(text):
    fingerprints(text, text)
    assert all(word and not word.isspace() for word in tokens(text))
    assert fingerprints(text, text) == frozenset()


def test_tokens_by_hand():
    source = '''
def f(a):
    """Says."""
    b = a.sum(dim=-1)  # why
    return len(b) + 2.5e3 if a is None else "x" + f'{a}'
'''
    said = "def n ( n ) : n = n . sum ( n = - 1 ) return len ( n ) + 2.5e3 if n is None else s + s"
    assert tokens(source) == said.split()
    said = "def n ( ) : pass n . n ( n . h )"
    assert tokens("def g(): pass\nx.g(y.h)") == said.split(), "g is a name of its own"


@pytest.mark.parametrize("text", ['"""\\', "'" * 30_001 + "\\", '"\\' * 20_000, "\x00" * 9])
def test_hostile_texts_end(text):
    assert len(tokens(text)) <= len(text)
    assert len(fingerprints("x1 + " * 200_000)) <= K + WINDOW


def test_published_code_is_read_by_its_tags():
    here = KNOWN[ROPE]
    assert "raise NotImplementedError" in here.template and "import torch" in here.template
    assert "speeds = BASE" in here.solution and "speeds" not in here.template
    assert set(KNOWN) == set(catalogue()), "each exercise has both"
    assert all(p.template and p.solution for p in KNOWN.values())
    assert published(SOLUTIONS / "nowhere", [ROPE]) == {} and KNOWN["sft/loss_mask"] != Published()
