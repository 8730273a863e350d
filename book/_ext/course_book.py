"""Sphinx extension of this book: where the repository is, links into it, and no thebe.

- The repository's address is read from pyproject.toml, so that it stands in one place.
- {repo}`course_lib/page/show.py` links to a file or folder of the repository;
  {colab}`exercises/sft/chat.ipynb` opens a notebook of it in Colab.
- Lists of exercises and their pages: exercise_pages.py.
- Jupyter Book always loads sphinx_thebe, whose script throws on every page: it is taken out.
"""

import tomllib
from pathlib import Path

import exercise_pages
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxRole

ROOT = Path(__file__).resolve().parents[2]
BRANCH = "main"


def repository_url() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].rstrip("/")


class RepositoryLink(SphinxRole):
    """A link to a file that must exist in the repository; a wrong path fails the build."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if not (ROOT / self.text).exists():
            message = self.inliner.reporter.warning(f"{self.text} is not in the repository")
            return [nodes.literal(text=self.text)], [message]
        kind = "tree" if (ROOT / self.text).is_dir() else "blob"
        return [_link(f"{repository_url()}/{kind}/{BRANCH}/{self.text}", self.text, True)], []


class ColabLink(SphinxRole):
    """A link that opens a notebook of the repository in Colab."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if not (ROOT / self.text).is_file():
            message = self.inliner.reporter.warning(f"{self.text} is not in the repository")
            return [nodes.literal(text=self.text)], [message]
        place = repository_url().removeprefix("https://github.com/")
        address = f"https://colab.research.google.com/github/{place}/blob/{BRANCH}/{self.text}"
        return [_link(address, "open it in Colab")], []


def _link(address: str, text: str, code: bool = False) -> nodes.reference:
    label = nodes.literal(text=text) if code else nodes.Text(text)
    return nodes.reference("", "", label, refuri=address, internal=False)


def fix_config(app: Sphinx, config: Config) -> None:
    config.html_theme_options["repository_url"] = repository_url()
    for name, listeners in app.events.listeners.items():
        app.events.listeners[name] = [
            listener
            for listener in listeners
            if not getattr(listener.handler, "__module__", "").startswith("sphinx_thebe")
        ]
    app.registry.css_files = [f for f in app.registry.css_files if "thebe" not in str(f[0])]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("repo", RepositoryLink())
    app.add_role("colab", ColabLink())
    exercise_pages.setup(app)
    app.connect("config-inited", fix_config, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
