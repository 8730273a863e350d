"""Every rendered page in a real Chromium with the network cut off.

For each page, opened as a file: nothing but the book's own files is asked for, the console is
silent, axe-core finds nothing serious or critical in light mode, nothing scrolls sideways on a
phone, and every figure has alt text and a caption. Dark mode, where only colours can differ, is
judged on a quarter of the pages: another quarter whenever anything in the book has changed. One
browser does it all. The pages come from `make book`.
"""

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HTML = Path(os.environ.get("COURSE_BUILD", ROOT / "_build")) / "html"
AXE = (Path(__file__).parent / "_vendor" / "axe.min.js").read_text(encoding="utf-8")
CHROMIUM = os.environ.get("COURSE_CHROMIUM") or shutil.which("chromium") or ""
SKIPPED = {"genindex.html", "index.html"}  # linked from nowhere; only forwards to intro.html
PAGES = sorted(
    str(path.relative_to(HTML))
    for path in HTML.rglob("*.html")
    if str(path.relative_to(HTML)) not in SKIPPED
    and not path.relative_to(HTML).parts[0].startswith("_")
)

EXERCISES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "exercises").rglob("*.ipynb"))
CODE_JUDGED_ON = "architecture/decoder.html"
# Opened as a file is the stricter case, so a few pages from a server are enough.
SERVED = ("intro.html", CODE_JUDGED_ON, "reference/proven-equal.html")


def in_the_dark() -> set[str]:
    """A quarter of the pages, by a hash of the whole book: not by chance, nor always the same."""
    book = hashlib.sha256()
    for name in PAGES:
        book.update((HTML / name).read_bytes())
    share = {n: hashlib.sha256(book.digest() + n.encode()).digest()[0] % 4 for n in PAGES}
    return {CODE_JUDGED_ON, *(name for name, part in share.items() if part == 0)}


needs_browser = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(), reason="no Chromium here: apt-get install chromium"
)

EVERYTHING = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]  # what can differ between light and dark
# Axe takes most of its time inside drawings and highlighted code, where there is nothing for it to
# find: a drawing speaks by its label, and code has the same colours everywhere. So the drawings are
# emptied, and code becomes plain text, except on the page where its colours are judged.
LIGHTEN = """keepCode => {
  for (const e of document.querySelectorAll("figure svg")) e.replaceChildren();
  if (!keepCode)
    for (const e of document.querySelectorAll("div.highlight pre")) e.textContent = e.textContent;
}"""
RUN_AXE = """rules => axe.run({exclude: [["mjx-container > *"]]}, {
  resultTypes: ["violations"],
  runOnly: rules,
}).then(r => r.violations
  .filter(v => ["serious", "critical"].includes(v.impact))
  .map(v => `${v.id}: ` + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(" | ")))"""

# What sticks out of a 390-pixel window, unless it scrolls inside a box of its own.
SIDEWAYS = """() => {
  const wide = document.scrollingElement.scrollWidth;
  if (wide <= window.innerWidth) return [];
  const boxed = e => { for (let p = e; p && p !== document.body; p = p.parentElement)
    if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)) return true; };
  const out = [...document.body.querySelectorAll("*")].filter(
    e => e.getBoundingClientRect().right > window.innerWidth + 1 && !boxed(e));
  return [`the page is ${wide} px wide: ` + out.slice(0, 3).map(e => e.outerHTML.slice(0, 120))];
}"""

FIGURES = """() => {
  const bad = [], say = (what, e) => bad.push(`${what}: ${e.outerHTML.slice(0, 120)}`);
  const article = document.querySelector("article") || document.body;
  for (const e of article.querySelectorAll("img"))
    if (!(e.getAttribute("alt") || "").trim()) say("image without alt text", e);
  for (const e of article.querySelectorAll(".cell_output img, .cell_output svg")) {
    if (e.closest("button") || e.parentElement.closest("svg")) continue;
    const name = e.getAttribute("aria-label") || e.getAttribute("alt") || "";
    if (!name.trim()) say("picture without a description", e);
    const caption = e.closest("figure")?.querySelector("figcaption");
    if (!caption || !caption.textContent.trim()) say("picture without a caption", e);
  }
  for (const e of article.querySelectorAll(".cell_output table")) {
    if (!e.caption || !e.caption.textContent.trim()) say("table without a caption", e);
    for (const th of e.querySelectorAll("th:not([scope])")) say("header without a scope", th);
  }
  return bad;
}"""


# The theme lets the keyboard reach what scrolls, 300 ms after a change of the window or the text.
REACHABLE = """() => [...document.querySelectorAll("pre, .cell_output > .output")].every(e =>
  e.tabIndex === 0 || (e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight))"""


@dataclass
class Browser:
    """One Chromium page, and what it asked for or complained about since the last `start`."""

    page: object
    base: str
    blocked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def route(self, route) -> None:
        address = route.request.url
        if address.startswith((self.base, HTML.as_uri(), "data:", "blob:")):
            route.continue_()
        else:
            self.blocked.append(address)
            route.abort()

    def start(self, address: str, width: int = 1280) -> None:
        self.page.goto("about:blank")  # what the page before still has to say is said now
        self.blocked.clear()
        self.errors.clear()
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        self.page.goto(address, wait_until="load")
        self.page.wait_for_function("!window.MathJax || !!window.MathJax.startup?.promise")
        self.page.evaluate("window.MathJax?.startup?.promise")

    def settle(self) -> None:
        """Wait for the theme; what it has not done in ten seconds, axe will name."""
        from playwright.sync_api import TimeoutError as TooLate

        with suppress(TooLate):
            self.page.wait_for_function(REACHABLE, timeout=10_000)

    def axe(self, rules: list[str]) -> list[str]:
        if not self.page.evaluate("!!window.axe"):
            self.page.evaluate(AXE)
        return self.page.evaluate(RUN_AXE, rules)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = chromium.new_context()
        context.set_default_timeout(120_000)  # a machine that also runs other tests is slow
        tab = Browser(context.new_page(), f"http://127.0.0.1:{server.server_port}/")
        context.route("**/*", tab.route)
        tab.page.on("console", lambda m: tab.errors.append(m.text) if m.type == "error" else None)
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        yield tab
        chromium.close()
    server.shutdown()


@pytest.fixture(scope="module")
def dark() -> set[str]:
    return in_the_dark()


def test_the_book_is_built():
    assert PAGES, f"no pages in {HTML}: run `make book` first"


def clean(markup: str) -> str:
    """The text of highlighted code without its tags."""
    return re.sub(r"<[^>]+>", "", markup)


def colab_links(name: str) -> set[str]:
    """The notebooks of this repository that a page's links and buttons open in Colab."""
    address = r"colab\.research\.google\.com/github/[^/]+/[^/]+/blob/main/([^\"]+)"
    return set(re.findall(address, (HTML / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", PAGES)
def test_what_opens_in_colab_is_a_notebook_of_the_repository(name):
    assert all((ROOT / path).is_file() for path in colab_links(name)), colab_links(name)


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("solutions/")])
def test_an_exercise_s_page_hands_out_the_exercise_and_folds_the_solution(name):
    topic = name.removeprefix("solutions/").removesuffix(".html")
    exercise = ROOT / "exercises" / f"{topic}.ipynb"
    assert colab_links(name) - {f"exercises/{topic}.ipynb"} <= set(EXERCISES)
    assert f"exercises/{topic}.ipynb" in colab_links(name)
    download = HTML / "_sources" / "solutions" / f"{topic}.ipynb"
    assert download.read_bytes() == exercise.read_bytes()
    before, folded = (HTML / name).read_text(encoding="utf-8").split("course-solution", 1)
    assert folded.startswith('"><summary>') and "</details>" in folded
    assert "raise NotImplementedError" in clean(before) or "Diagnose ·" in before
    assert "outcome = check." not in clean(before)
    assert re.search(r"check\.\w+\(", clean(folded)), "the folded solution isn't checked"


@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_page(browser, dark, name):
    found = []
    browser.start((HTML / name).as_uri())
    found += [f"asked the network for {address}" for address in browser.blocked]
    found += [f"console: {text}" for text in browser.errors]
    found += browser.page.evaluate(FIGURES)
    browser.page.set_viewport_size({"width": 390, "height": 844})
    found += [f"at 390 px {text}" for text in browser.page.evaluate(SIDEWAYS)]
    browser.page.set_viewport_size({"width": 1280, "height": 900})
    browser.page.evaluate(LIGHTEN, name == CODE_JUDGED_ON)
    browser.settle()
    found += [f"axe (light) {text}" for text in browser.axe(EVERYTHING)]
    if name in dark:
        browser.page.emulate_media(color_scheme="dark")
        browser.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        found += [f"axe (dark) {text}" for text in browser.axe(COLOURS)]
    assert not found, f"{name}:\n" + "\n".join(found)


@needs_browser
@pytest.mark.parametrize("name", SERVED)
def test_page_from_a_server(browser, name):
    browser.start(browser.base + name)
    assert not browser.blocked + browser.errors


@needs_browser
@pytest.mark.parametrize("place", ["served", "file"])
def test_search_finds_a_term_without_a_network(browser, place):
    home = browser.base if place == "served" else HTML.as_uri() + "/"
    browser.start(home + "search.html?q=entropy")
    browser.page.wait_for_selector("#search-results li a")
    browser.page.wait_for_timeout(500)
    assert not browser.blocked + browser.errors
