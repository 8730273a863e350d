"""What people cite and what has changed name the same edition as the package."""

import re

import yaml

from tools.sources import REPO, project, repository_url

CITATION = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
BOOK = CITATION["preferred-citation"]


def spdx(name: str) -> str:
    """The licence that one of the LICENSE files is."""
    text = (REPO / name).read_text(encoding="utf-8")
    found = re.search(r"^SPDX-License-Identifier: (\S+)$", text, re.MULTILINE)
    return found[1] if found else text.split()[0]


def test_the_citation_has_what_its_format_wants():
    """The keys that CFF 1.2.0 requires, of the work and of the work to cite instead."""
    assert CITATION["cff-version"] == "1.2.0" and CITATION["message"]
    assert CITATION["type"] == "software" and BOOK["type"] == "book"
    for work in (CITATION, BOOK):
        assert work["title"] and all(set(author) == {"name"} for author in work["authors"])


def test_the_citation_says_what_pyproject_and_the_licences_say():
    holder = re.search(r"Copyright \(c\) (\d+) (.+)", (REPO / "LICENSE").read_text())
    assert CITATION["version"] == BOOK["edition"] == project()["version"]
    assert CITATION["repository-code"] == BOOK["url"] == repository_url()
    assert CITATION["license"] == project()["license"] == spdx("LICENSE")
    assert BOOK["license"] == spdx("LICENSE-text")
    assert CITATION["authors"] == BOOK["authors"] == [{"name": holder[2]}]
    assert BOOK["year"] == int(holder[1])


def test_the_changelog_holds_this_edition():
    text = (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
    editions = re.findall(r"^## (\S+)(?: \((\d{4}-\d{2}-\d{2})\))?$", text, re.MULTILINE)
    assert editions[0] == ("Unreleased", "")
    assert project()["version"] in dict(editions)
    dates = [date for _, date in editions[1:]]
    assert all(dates) and dates == sorted(dates, reverse=True)
