"""A fork changes one line, [project.urls] Repository in pyproject.toml, and every link follows."""

import importlib.metadata
import importlib.util
import subprocess
import tomllib
import zipfile
from email.message import Message
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from course_lib.cli.main import app
from tools.notebooks import render
from tools.sources import REPO, project, repository_url, sources

NAME = urlsplit(repository_url()).path.strip("/")  # owner/repository
FORK = "someone/a-fork"
# They may hold the name: the setting, what is generated from it, and what a test holds equal to it.
ALLOWED = (":!pyproject.toml", ":!CITATION.cff", ":!*.ipynb")


@pytest.fixture
def fork(monkeypatch) -> str:
    """The address, as if pyproject.toml named another repository."""
    read = tomllib.loads
    monkeypatch.setattr(tomllib, "loads", lambda text: read(text.replace(NAME, FORK)))
    assert project()["urls"]["Repository"] == f"https://github.com/{FORK}"
    return f"https://github.com/{FORK}"


def test_no_other_file_holds_the_name():
    command = ["git", "grep", "-lIF", NAME, "--", ".", *ALLOWED]
    found = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    if found.returncode > 1:
        pytest.skip(f"not a git checkout: {found.stderr.strip()}")
    assert not found.stdout, f"read the address from pyproject.toml instead:\n{found.stdout}"


def test_notebooks_lead_to_the_fork(fork):
    for source in sources():
        made = render(source)
        assert NAME not in made, f"{source.page}: its notebook names {NAME}"
        assert f"git+{fork}" in made, f"{source.page}: its set-up cell installs nothing from {fork}"


def test_the_rendered_book_leads_to_the_fork(fork, monkeypatch):
    monkeypatch.syspath_prepend(str(REPO / "book" / "_ext"))
    path = REPO / "book" / "_ext" / "course_book.py"
    spec = importlib.util.spec_from_file_location("course_book_of_a_fork", path)
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    found = []
    for role in (extension.RepositoryLink(), extension.ColabLink()):
        role.text = "exercises/architecture/rope.ipynb"
        [link], _ = role.run()
        found.append(link["refuri"])
    theme = SimpleNamespace(html_theme_options={})  # its buttons are made from this one address
    empty = SimpleNamespace(listeners={}, css_files=[])
    extension.fix_config(SimpleNamespace(events=empty, registry=empty), theme)
    assert found == [
        f"{fork}/blob/main/exercises/architecture/rope.ipynb",
        f"https://colab.research.google.com/github/{FORK}/blob/main/exercises/architecture/rope.ipynb",
    ]
    assert theme.html_theme_options["repository_url"] == fork


def test_the_autograder_installs_from_the_fork(fork, monkeypatch, tmp_path):
    """pip keeps pyproject's address with the installed package; there the command reads it."""
    installed = importlib.metadata.metadata(project()["name"])
    assert f"Repository, https://github.com/{NAME}" in installed.get_all("Project-URL")
    about = Message()
    about["Name"], about["Project-URL"] = project()["name"], f"Repository, {fork}"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: about)
    made, secret = tmp_path / "a.zip", tmp_path / "secret"
    command = ["grade", "--autograder", str(made), "--exercises", "architecture/rope"]
    result = CliRunner().invoke(app, [*command, "--secret-file", str(secret)])
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(made) as archive:
        texts = [archive.read(name).decode() for name in archive.namelist()]
    assert any(f"git+{fork}" in text for text in texts)
    assert not any(NAME in text for text in texts)
