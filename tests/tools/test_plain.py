"""MyST turned into plain markdown: hand-worked examples, and what is refused."""

from dataclasses import replace

import pytest

from tools.plain import Place, plain
from tools.sources import REPO

PLACE = Place(
    repo=REPO,
    page="book/sft/example.md",
    repository_url="https://github.com/a/b",
    citations={"smith2020": ("Smith, 2020", "https://x.org"), "lee2021": ("Lee, 2021", "")},
)


def convert(text: str) -> str:
    return plain(text, PLACE)


def test_text_without_markup_stays():
    text = "# A\n\nTwo *words*, `code {x}`.\n\n```python\nx = {1: 2}\n```\n\n- a\n- b"
    assert convert(text) == text


def test_admonitions_become_quotes_and_nest():
    inner = "```{note}\nInner {math}`x^2`.\n```"
    text = f"````{{admonition}} Predict\n:class: tip\nHow many?\n\n{inner}\n````"
    assert convert(text).strip() == (
        "> **Predict**\n>\n> How many?\n>\n> > **Note**\n> >\n> > Inner $x^2$."
    )


def test_colon_fences_nest():
    text = ":::{tip}\nA\n:::{note}\nB\n:::\nC\n:::\nafter"
    made = convert(text)
    assert made.count("> > B") == 1 and "> C" in made and made.endswith("\nafter")


def test_dropdowns_hide():
    made = convert("```{dropdown} Hint 1\nUse **plus**.\n```")
    assert made == "<details><summary>Hint 1</summary>\n\nUse **plus**.\n\n</details>"


def test_literalinclude_shows_the_object_with_its_decorator(tmp_path):
    (tmp_path / "book" / "sft").mkdir(parents=True)
    (tmp_path / "m.py").write_text("x = 1\n\n@cache\ndef f():\n    return 1\n\n\ndef g(): ...\n")
    place = Place(tmp_path, "book/sft/p.md", "", {})
    text = "```{literalinclude} ../../m.py\n:language: python\n:pyobject: f\n```"
    assert plain(text, place) == "```python\n@cache\ndef f():\n    return 1\n```"
    with pytest.raises(ValueError, match="no object 'h'"):
        plain(text.replace(": f", ": h"), place)
    with pytest.raises(ValueError, match="no such file"):
        plain(text.replace("m.py", "n.py"), place)


def test_roles_become_links():
    assert convert("{cite}`smith2020,lee2021`") == "([Smith, 2020](https://x.org); Lee, 2021)"
    assert convert("{cite:t}`lee2021` say") == "Lee, 2021 say"
    assert convert("{term}`tokens <token>` {ref}`here <x>`") == "tokens here"
    assert convert("{doc}`the start <../intro>`").startswith("[the start](../intro.")
    made = convert("{repo}`pyproject.toml`")
    assert made == "[`pyproject.toml`](https://github.com/a/b/blob/main/pyproject.toml)"


def test_labels_and_comments_go():
    assert (
        convert("(a-label)=\n# Title\n% a comment\ntext, 5 % of it") == "# Title\ntext, 5 % of it"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```{nonsense}\nx\n```", r"book/sft/example.md: .*doesn't know the directive {nonsense}"),
        ("{nonsense}`x`", "doesn't know the role {nonsense}"),
        ("{cite}`nobody1900`", "cites nobody1900, which book/references.bib lacks"),
        ("{doc}`nowhere`", "there is no book/sft/nowhere.md"),
    ],
)
def test_what_it_does_not_know_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        convert(text)


def test_a_link_to_a_solution_gives_its_exercise():
    there = "[Grouped-query attention](../../exercises/architecture/grouped_query_attention.ipynb)"
    assert convert("{doc}`../solutions/architecture/grouped_query_attention`") == there


def test_links_from_a_solution_are_right_in_the_exercise():
    place = replace(PLACE, page="solutions/sft/loss_mask.md")
    assert plain("{doc}`chat <../../book/sft/chat>`", place) == "[chat](../../book/sft/chat.ipynb)"
    link = plain("{doc}`masks <../architecture/rope>`", place)
    assert link == "[masks](../architecture/rope.ipynb)"
