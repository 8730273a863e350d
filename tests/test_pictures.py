"""What the pages draw with: figures, tables and tokens as HTML, and the map of the book."""

import xml.etree.ElementTree as ET

import pytest

from course_lib import imports
from course_lib.page import atlas, house, plots, show, svg
from course_lib.page.atlas import Stage
from course_lib.page.plots import figure


@pytest.fixture
def shown(monkeypatch):
    """What the code under test displays, as a list of HTML texts."""
    texts = []
    monkeypatch.setattr(show, "html", lambda markup, text="": texts.append(markup))
    return texts


def draw(caption="Loss falls.", alt="A falling curve.", labels=True):
    with figure(caption, alt=alt) as ax:
        ax.plot([1, 2, 3], [3.0, 2.0, 1.5], label="ours")
        if labels:
            ax.set(xlabel="step", ylabel="loss (nats per token)")


def test_a_figure_has_caption_and_alt_text_and_follows_the_pages_colour(shown):
    draw()
    root = ET.fromstring(shown[0].replace('xlink:href="', 'href="'))
    picture = next(root.iter("{http://www.w3.org/2000/svg}svg"))
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == "A falling curve."
    assert next(root.iter("figcaption")).text == "Loss falls."
    assert "currentColor" in shown[0]
    assert plots.INK not in shown[0]
    assert "max-width:100%" in picture.get("style")


def test_figures_share_no_ids_and_are_drawn_the_same_each_time(shown):
    draw(caption="One.")
    draw(caption="Two.")
    draw(caption="One.")
    ids = [
        {e.get("id") for e in ET.fromstring(t).iter() if e.get("id")} for t in (shown[0], shown[1])
    ]
    assert ids[0] and not ids[0] & ids[1]
    assert shown[0] == shown[2]


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_a_figure_without_words_is_refused(missing, shown):
    with pytest.raises(ValueError, match=f"{missing} is empty"):
        draw(**{missing: " "})


def test_a_numeric_axis_without_a_label_is_refused_and_named_categories_are_not(shown):
    with pytest.raises(ValueError, match="the x axis has no label"):
        draw(labels=False)
    with figure("Bars.", alt="Two bars.") as ax:
        ax.bar(["base", "sft"], [1, 2])
        ax.set_ylabel("accuracy (%)")
    assert len(shown) == 1


def test_a_table_scopes_its_headers_and_escapes_its_cells(shown):
    show.table([{"name": "a<b", "n": 1234567, "loss": 0.12345}, {"name": "c"}], "Two rows.")
    table = next(ET.fromstring(shown[0]).iter("table"))
    assert [th.get("scope") for th in table.iter("th")] == ["col"] * 3 + ["row"] * 2
    assert [td.text for td in table.iter("td")] == ["1,234,567", "0.1235", "–", "–"]
    assert table.find("caption").text == "Two rows."
    assert "a&lt;b" in shown[0]


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (True, None, "yes"),
        (0.0, None, "0"),
        (1e-7, None, "1.00e-07"),
        (31250.4, None, "31,250"),
        (0.973, "{:.1%}", "97.3%"),
        (None, "{:.1%}", "–"),
        (float("nan"), None, "nan"),
    ],
)
def test_how_a_value_is_written(value, spec, text):
    assert show.cell(value, spec) == text


def test_tables_and_tokens_refuse_what_makes_no_sense(shown):
    with pytest.raises(ValueError, match="rows is empty"):
        show.table([], "None.")
    with pytest.raises(ValueError, match="caption is empty"):
        show.table([{"a": 1}], "")
    with pytest.raises(ValueError, match="ids has 1 entries for 2 tokens"):
        show.tokens(["a", "b"], "Two.", ids=[1])


def test_tokens_show_white_space_and_a_legend_of_their_kinds(shown):
    show.tokens([" a<", "\n"], "Two.", kinds=["prompt", "answer"], ids=[7, 8])
    assert "·a&lt;" in shown[0] and "⏎" in shown[0]
    assert 'title="id 8"' in shown[0]
    assert shown[0].count("prompt") == shown[0].count("answer") == 1


def test_the_reduced_graph_keeps_what_no_longer_path_implies():
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert house.reduced(edges) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}


def test_the_lineage_map_draws_each_artifact_at_its_maker_and_each_reader_once():
    made = [
        Stage(name="corpus", maker="data", parents=()),
        Stage(name="base", maker="pretraining", parents=("corpus",)),
    ]
    drawn = atlas.lineage_svg(
        made, {"scaling": {"corpus", "base"}, "data": {"corpus"}}, "{stem}.html"
    )
    root = ET.fromstring(drawn)
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(words) == len(atlas.ROOMS) + 2
    assert drawn.count("#map-make") == 2  # one an artifact
    assert drawn.count("#map-read") == 2  # scaling reads both; data made the corpus itself
    assert drawn.count("#map-next") == 1
    assert 'href="sft.html"' in drawn
    assert "prefers-color-scheme:dark" in svg.standalone(drawn)


def test_readers_are_found_in_the_pages_code(tmp_path):
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "chat.md").write_text('m = lineage.model("base")\nt = lineage.tokenizer()')
    found = atlas.readers(tmp_path)
    assert found["sft"] == {"base", "tokenizer"}
    assert found["data"] == set()


def test_the_house_is_drawn_from_the_source_and_every_arrow_runs_down():
    edges = house.package_edges(imports.edges())
    assert edges["world"] == set() and "architecture" in edges["pretraining"]
    drawn = house.house_svg(edges, {"sft": "sft/index.html"})
    root = ET.fromstring(drawn)
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"world", "studies", "cli", *atlas.ROOMS} <= set(words)
    assert f"{house.lines_of('sft'):,} lines" in words
    assert 'href="sft/index.html"' in drawn
    arrows = [e.get("d") for e in root.iter() if e.get("marker-end")]
    assert len(arrows) == sum(map(len, house.reduced(edges).values()))
    for path in arrows:  # "M x y C … , x y": it ends below where it began
        begins, ends = float(path.split("C")[0].split()[1]), float(path.split()[-1])
        assert ends > begins


def test_a_room_stands_right_above_all_that_it_imports():
    edges = {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": set()}
    assert house.floors(edges) == [["a", "d"], ["b"], ["c"]]
