"""The key of a page moves with what its outputs depend on, and with nothing else."""

import pytest

from tools import keys
from tools.keys import STAGES, stages_in
from tools.lock import PYTHONS, _marker
from tools.sources import REPO, Source, is_notebook

PAGE = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
---

# Page

```{code-cell} ipython3
from course_lib import lineage, runtime
from course_lib.architecture.accounting.formulas import count_parameters
p = runtime.start("architecture/page")
model = lineage.model("base")
```
"""


def source(text: str = PAGE) -> Source:
    page = Source("book", "architecture/page", REPO / "book" / "architecture" / "page.md")
    page.__dict__["text"] = text
    return page


def key(text: str = PAGE, profile: str = "cpu", artifacts: str = "k") -> str:
    return keys.page_key(source(text), profile, lambda stage: artifacts + stage)


def test_the_key_moves_with_source_profile_and_artifacts():
    assert key() == key()
    others = [key(PAGE + "\nmore"), key(profile="gpu"), key(artifacts="other")]
    assert len({key(), *others}) == 4


def test_the_key_moves_with_imported_code_alone(monkeypatch):
    before = key()
    true_hash = keys.imports.module_hash
    edited = "course_lib.sft.train"
    monkeypatch.setattr(keys.imports, "module_hash", lambda m: "x" if m == edited else true_hash(m))
    assert key() == before
    edited = "course_lib.architecture.config"  # imported by accounting, not by the page
    assert key() != before


@pytest.mark.parametrize(
    ("code", "stages"),
    [
        ("lineage.model('sft')", {"sft"}),
        ("lineage.artifact('quantized').path; lineage.tokenizer()", {"quantized", "tokenizer"}),
        ("w = lineage.world()", {"corpus"}),
        ("[lineage.model(n) for n in names]", set(STAGES)),
        ("lineage.recipes()", set(STAGES)),
        ("from course_lib.lineage import model", set(STAGES)),
        ("print('lineage.model')", set()),
    ],
)
def test_stages_that_a_page_asks_for(code, stages):
    assert stages_in(code) == stages


def test_text_notebooks_are_told_by_their_front_matter():
    assert is_notebook(PAGE)
    assert not is_notebook("# Page\n\njupytext: no\n")


def test_lock_markers():
    assert _marker(list(PYTHONS)) == ""
    assert _marker(["3.11"]) == ' ; python_version <= "3.11"'
    assert _marker(["3.12", "3.13"]) == ' ; python_version >= "3.12"'
