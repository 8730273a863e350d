"""A cell less the notebook's own commands (%…, !…, …?), as IPython itself would read them.

IPython's transformer looks at a cell again for each command in it, so a cell of thousands of them
is refused by number before it is asked.
"""

import ast
import re

from IPython.core.inputtransformer2 import TransformerManager

PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")  # magics around ordinary Python
PYTHON_LINES = ("time", "timeit", "prun")  # …and before a statement
COMMAND = re.compile(r"^([ \t]*)(?:[^=\n()]{1,200}=[ \t]*)?get_ipython\(\)\.")
LINE = re.compile(
    r"^([ \t]*)get_ipython\(\)\.run_line_magic\('(\w{1,20})', ('[^\n]*'|\"[^\n]*\")\)$"
)
MOST = 1_000_000  # lines that look like commands, times the cell's length


def as_python(source: str) -> tuple[str, ast.Module, list[str]]:
    """The cell's text as Python, its tree, and the lines that were left out.

    Raises what `ast.parse` does, of the cell as it stands where no command was in it.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
    try:
        return source, ast.parse(source), []
    except SyntaxError:
        plain, left_out = without_magics(source)
        if plain == source:
            raise
        return plain, ast.parse(plain), left_out


def without_magics(source: str) -> tuple[str, list[str]]:
    """Python with the notebook's own commands blanked, and those lines. Nothing is run."""
    first, _, rest = source.partition("\n")
    if first.startswith("%%"):
        if first.split()[0] not in PYTHON_CELLS:
            return "", [first[:80]]
        before, (after, left_out) = "\n", without_magics(rest)
        return before + after, left_out
    likely = sum(_likely(line) for line in source.split("\n"))
    if not likely or likely * len(source) > MOST:
        return source, []
    try:
        text = TransformerManager().transform_cell(source)
    except (SyntaxError, RuntimeError, ValueError, LookupError):  # it reads half-written cells too
        return source, []
    if "get_ipython()" not in text:
        return source if source.strip() == text.strip() else text, []
    lines, left_out = [], []
    for line in text.split("\n"):
        if (found := LINE.match(line)) and found[2] in PYTHON_LINES:
            lines.append(found[1] + str(ast.literal_eval(found[3])))
            continue
        if found := COMMAND.match(line):
            left_out.append(line.strip()[:80])
            line = f"{found[1]}pass"
        lines.append(line)
    return "\n".join(lines), left_out


def _likely(line: str) -> bool:
    plain = line.strip()
    after = plain.partition("=")[2].lstrip()
    return (
        plain.startswith(("%", "!", "?", ">>>", "In [", ",", ";", "/"))
        or plain.endswith("?")
        or (after.startswith(("%", "!")))
    )
