"""MyST markdown turned into the plain markdown that Jupyter and Colab show.

Directives become fences, block quotes, details or tables; roles become text and links. A directive
or role that this file doesn't know is an error that names it, so that nothing unreadable slips
into a notebook.
"""

import ast
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|:{3,}|~{3,})(?P<info>.*)$")
DIRECTIVE = re.compile(r"^\s*\{(?P<name>[\w:.+-]+)\}\s*(?P<argument>.*)$")
ROLE = re.compile(r"\{(?P<name>[a-z][\w:.-]*)\}(?P<ticks>`+)(?P<text>.+?)(?P=ticks)", re.DOTALL)
TITLED = re.compile(r"^(?P<title>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
ADMONITIONS = {
    "attention",
    "caution",
    "danger",
    "error",
    "hint",
    "important",
    "note",
    "seealso",
    "tip",
    "warning",
}
QUOTED = {"admonition", "card", "margin", "sidebar", "topic"}
UNWRAPPED = {"container", "div", "glossary", "grid", "tab-set"}
DROPPED = {"bibliography", "contents", "tableofcontents", "toctree"}


@dataclass(frozen=True)
class Place:
    """Where a text stands, so that its links and includes can be resolved.

    page: path of the source relative to the repository, as book/sft/chat.md.
    citations: bibliography key -> (label, address or "").
    """

    repo: Path
    page: str
    repository_url: str
    citations: dict[str, tuple[str, str]]

    def error(self, message: str) -> ValueError:
        return ValueError(f"{self.page}: {message}")


def plain(text: str, place: Place) -> str:
    """The whole of a markdown cell in plain markdown."""
    out: list[str] = []
    prose: list[str] = []

    def flush() -> None:
        if prose:
            out.append(_prose("\n".join(prose), place))
            prose.clear()

    lines = text.split("\n")
    i = 0
    while i < len(lines):
        fence = FENCE.match(lines[i])
        if not fence:
            prose.append(lines[i])
            i += 1
            continue
        end = _closing(lines, i, fence["ticks"])
        body = [line.removeprefix(fence["indent"]) for line in lines[i + 1 : end]]
        directive = DIRECTIVE.match(fence["info"])
        flush()
        if directive:
            made = _directive(directive["name"], directive["argument"].strip(), body, place)
            out.append("\n".join(fence["indent"] + line for line in made.split("\n")))
        else:
            out.append("\n".join(lines[i : end + 1]))
        i = end + 1
    flush()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n")


def _closing(lines: list[str], start: int, ticks: str) -> int:
    """The line that closes the fence of line `start` (or the end of the text)."""
    depth = 1
    for i in range(start + 1, len(lines)):
        fence = FENCE.match(lines[i])
        if not fence or fence["ticks"][0] != ticks[0]:
            continue
        if fence["info"].strip():
            depth += len(fence["ticks"]) == len(ticks) and ticks[0] == ":"
        elif len(fence["ticks"]) >= len(ticks):
            depth -= 1
            if not depth:
                return i
    return len(lines)


def _options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    """A directive's options (either spelling) and what follows them."""
    if body and body[0].strip() == "---":
        end = next(i for i in range(1, len(body)) if body[i].strip() == "---")
        return yaml.safe_load("\n".join(body[1:end])) or {}, body[end + 1 :]
    options = {}
    i = 0
    while i < len(body) and (found := re.match(r"^\s*:([\w-]+):\s*(.*)$", body[i])):
        options[found[1]] = found[2].strip()
        i += 1
    return options, body[i:]


def _directive(name: str, argument: str, body: list[str], place: Place) -> str:
    options, rest = _options(body)
    text = "\n".join(rest).strip("\n")
    if name in DROPPED:
        return ""
    if name in ADMONITIONS:
        inner = f"{argument}\n{text}".strip()
        return _quote(name.capitalize().replace("Seealso", "See also"), plain(inner, place))
    if name in QUOTED:
        return _quote(_prose(argument, place), plain(text, place))
    if name == "dropdown":
        title = _prose(argument, place)
        return f"<details><summary>{title}</summary>\n\n{plain(text, place)}\n\n</details>"
    if name in UNWRAPPED:
        return plain(text, place)
    if name in {"tab-item", "grid-item-card", "rubric"}:
        return f"**{_prose(argument, place)}**\n\n{plain(text, place)}"
    if name in {"code-block", "code", "sourcecode"}:
        return f"```{argument}\n{text}\n```"
    if name == "literalinclude":
        return f"```{options.get('language', 'python')}\n{_include(argument, options, place)}\n```"
    if name == "math":
        return f"$$\n{text or argument}\n$$"
    if name in {"figure", "image"}:
        picture = f"![{options.get('alt', '')}]({argument})"
        return f"{picture}\n\n*{plain(text, place)}*" if text else picture
    if name == "table":
        return f"**{_prose(argument, place)}**\n\n{plain(text, place)}"
    if name == "list-table":
        return _list_table(argument, text, place)
    if name == "raw":
        return text if argument == "html" else ""
    raise place.error(f"tools/plain.py doesn't know the directive {{{name}}}")


def _quote(title: str, text: str) -> str:
    lines = ([f"**{title}**", ""] if title else []) + text.split("\n")
    return "\n" + "\n".join(f"> {line}".rstrip() for line in lines) + "\n"


def _list_table(title: str, text: str, place: Place) -> str:
    rows: list[list[str]] = []
    for line in text.split("\n"):
        if found := re.match(r"^\s*\*\s+-\s?(.*)$", line):
            rows.append([found[1]])
        elif found := re.match(r"^\s+-\s?(.*)$", line):
            rows[-1].append(found[1])
        elif line.strip():
            rows[-1][-1] += " " + line.strip()
    made = ["| " + " | ".join(_prose(cell, place) for cell in row) + " |" for row in rows]
    made.insert(1, "|" + " --- |" * len(rows[0]))
    return (f"**{_prose(title, place)}**\n\n" if title else "") + "\n".join(made)


def _include(argument: str, options: dict[str, str], place: Place) -> str:
    """The lines that a literalinclude shows."""
    path = place.repo / posixpath.normpath(posixpath.join(posixpath.dirname(place.page), argument))
    if not path.is_file():
        raise place.error(f"literalinclude of {argument}: no such file")
    source = path.read_text(encoding="utf-8")
    lines = source.split("\n")
    unknown = set(options) - {
        "language",
        "pyobject",
        "lines",
        "caption",
        "name",
        "linenos",
        "emphasize-lines",
        "dedent",
        "lineno-match",
        "class",
    }
    if unknown:
        raise place.error(f"literalinclude: tools/plain.py doesn't know :{unknown.pop()}:")
    if "pyobject" in options:
        first, last = _span(ast.parse(source), options["pyobject"].split("."), place)
        lines = lines[first - 1 : last]
    if "lines" in options:
        picked = []
        for part in options["lines"].split(","):
            first, _, last = part.strip().partition("-")
            picked += lines[int(first) - 1 : int(last or (len(lines) if "-" in part else first))]
        lines = picked
    if "dedent" in options:
        width = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        lines = [line[int(options["dedent"] or width) :] for line in lines]
    return "\n".join(lines).rstrip("\n")


def _span(tree: ast.AST, names: list[str], place: Place) -> tuple[int, int]:
    for node in ast.iter_child_nodes(tree):
        if getattr(node, "name", None) == names[0]:
            if len(names) > 1:
                return _span(node, names[1:], place)
            decorators = [d.lineno for d in getattr(node, "decorator_list", [])]
            return min([node.lineno, *decorators]), node.end_lineno
    raise place.error(f"literalinclude: no object {'.'.join(names)!r}")


def _prose(text: str, place: Place) -> str:
    kept = [line for line in text.split("\n") if not re.match(r"^(\([\w:.-]+\)=|%( .*)?)$", line)]
    return ROLE.sub(lambda found: _role(found["name"], found["text"], place), "\n".join(kept))


def _role(name: str, text: str, place: Place) -> str:
    text = " ".join(text.split())
    titled = TITLED.match(text)
    title, target = (titled["title"], titled["target"]) if titled else ("", text)
    if name == "doc":
        return _page_link(title, target, place)
    if name in {"ref", "numref", "term", "any"}:
        return title or target
    if name == "eq":
        return f"equation ({target})"
    if name == "cite" or name.startswith("cite:"):
        return _citation(name, text, place)
    if name == "math":
        return f"${text}$"
    if name == "repo":
        kind = "tree" if (place.repo / text).is_dir() else "blob"
        return f"[`{text}`]({place.repository_url}/{kind}/main/{text})"
    if name == "colab":
        address = place.repository_url.removeprefix("https://github.com/")
        return f"[open it in Colab](https://colab.research.google.com/github/{address}/blob/main/{text})"
    if name == "download":
        return f"[{title or posixpath.basename(target)}]({target})"
    if name in {"abbr", "guilabel", "menuselection", "sc"}:
        return text
    if name in {"code", "file", "kbd", "samp"}:
        return f"`{text}`"
    if name in {"sub", "sup"}:
        return f"<{name}>{text}</{name}>"
    raise place.error(f"tools/plain.py doesn't know the role {{{name}}}")


def _page_link(title: str, target: str, place: Place) -> str:
    folder = "" if target.startswith("/") else posixpath.dirname(place.page)
    base = target.lstrip("/") if not folder else target
    path = posixpath.normpath(posixpath.join(folder or "book", base))
    path = path.removeprefix("book/") if path.startswith("book/solutions/") else path
    source = place.repo / f"{path}.md"
    if not source.is_file():
        raise place.error(f"{{doc}} names {target}: there is no {path}.md")
    text = source.read_text(encoding="utf-8")
    if not title:
        heading = re.search(r"^# (.+)$", text, re.MULTILINE)
        title = heading[1] if heading else posixpath.basename(target)
    if path.startswith("solutions/"):  # a reader of a notebook wants the exercise, not its answer
        path = f"exercises/{path.removeprefix('solutions/')}"
    suffix = ".ipynb" if "\njupytext:" in text[:400] else ".md"
    here = posixpath.dirname(place.page).replace("solutions/", "exercises/", 1)
    return f"[{title}]({posixpath.relpath(path, here)}{suffix})"


def _citation(name: str, text: str, place: Place) -> str:
    links = []
    for key in text.split(","):
        if key.strip() not in place.citations:
            raise place.error(f"cites {key.strip()}, which book/references.bib lacks")
        label, address = place.citations[key.strip()]
        links.append(f"[{label}]({address})" if address else label)
    joined = "; ".join(links)
    return joined if name.endswith(("t", "author", "year")) and ":" in name else f"({joined})"
