"""The source of one answer, put together from a notebook's cells by reading alone.

A notebook holds work in progress: plots, downloads, checks, dead ends. Kept is what the answer's
function needs, found by following names: from the cell of the answer any statement, from other
cells only imports, functions, classes and constants. The rest is blanked, line by line, so that
what stays is the student's own text.
"""

import ast
import dis
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import CodeType

from IPython.core.inputtransformer2 import TransformerManager

from course_lib.grading.intake.notebook import Cell, plain_text

PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")  # magics around ordinary Python
# The notebook's commands where IPython's own transformer isn't asked. Each alternative is linear.
MAGIC = re.compile(r"^\s*(%|!|\?)|\?\s*$|^\s*[^\W\d][\w, ]*=\s*(%|!)\s*\w")
TRANSFORMED = 20_000  # characters: it reads a cell once for each of its commands
OWN = "course_lib"


@dataclass(frozen=True)
class Statement:
    """One top-level statement: the cell it stands in, the names it binds and the names it uses."""

    cell: int
    node: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]
    stub: bool = False


@dataclass
class Parsed:
    """A file's cells: those that parse, as statements; the others, with the reason."""

    cells: Sequence[Cell]
    texts: dict[int, str] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)

    def defines(self, name: str) -> list[Statement]:
        """The statements that bind a name at the top level, in order."""
        return [s for s in self.statements if name in s.binds]


@dataclass(frozen=True)
class Answer:
    """An exercise's answer: its source ("" where there is none), and what was odd about it."""

    source: str
    problems: tuple[str, ...] = ()
    stub: bool = False


def parse(cells: Sequence[Cell]) -> Parsed:
    """Each cell as Python, less its magics."""
    parsed = Parsed(cells)
    for cell in cells:
        try:
            text, tree = _tree(cell.source)
            found = [_statement(cell.number, node) for node in tree.body]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
            said = getattr(error, "msg", None) or str(error) or "too deep"
            parsed.broken[cell.number] = f"{type(error).__name__}{line}: {plain_text(said, 100)}"
            continue
        parsed.texts[cell.number] = text
        parsed.statements += found
    return parsed


def rebuild(parsed: Parsed, exercise: str, function: str) -> Answer:
    """The answer to an exercise. function: what its function is called.

    Where the function is defined more than once, the last definition counts, as it does when the
    notebook runs from top to bottom; a stub that was left below an answer doesn't.
    """
    named = [cell.number for cell in parsed.cells if cell.exercise == exercise]
    problems: list[str] = []
    if len(named) > 1:
        problems.append(f"{len(named)} cells are marked as the answer: the last definition counts")
    begins = re.compile(rf"^(async )?def {re.escape(function)}\b", re.MULTILINE)
    raw = [
        cell.number
        for cell in parsed.cells
        if cell.number in parsed.broken and (cell.number in named or begins.search(cell.source))
    ]
    made = parsed.defines(function)
    if raw and not [s for s in made if not s.stub]:
        cell = next(c for c in parsed.cells if c.number == raw[-1])
        return Answer(without_magics(cell.source), (*problems, _said(parsed, raw[-1])))
    if not made:
        if named:
            problems.append(f"the answer's cell defines no function {function}")
        return Answer("", tuple(problems))
    counting = [s for s in made if not s.stub] or made
    where = sorted({s.cell for s in counting})
    if len(where) > 1 and len(named) < 2:
        cells = ", ".join(map(str, where))
        problems.append(f"{function} is defined in cells {cells}: the last one counts")
    home = {*named, *where}
    # Without its other cells, a name may be missing: the student should read why.
    problems += [_said(parsed, number) for number in parsed.broken if number not in home]
    kept = _needed(parsed.statements, function, home, set(map(id, set(made) - set(counting))))
    if any(_course_imports(s.node) for s in _uses(parsed.statements, kept)):
        problems.append(f"it imports {OWN}: an answer must stand on its own, so that was left out")
    problems += _missing(parsed.statements, kept)
    return Answer(_text(parsed, kept), tuple(problems), stub=not [s for s in made if not s.stub])


def without_magics(source: str) -> str:
    """Python with the notebook's own commands (%…, !…, …?) blanked."""
    first, _, rest = source.partition("\n")
    if first.startswith("%%"):
        return "\n" + rest if first.split()[0] in PYTHON_CELLS else ""
    if len(source) <= TRANSFORMED:
        # IPython's own reading: it tells `% b` at the start of a continued line from a command.
        with suppress(SyntaxError, ValueError, RuntimeError, IndexError):
            return TransformerManager().transform_cell(source).removesuffix("\n")
    lines = source.split("\n")
    return "\n".join(_blank(line) if MAGIC.search(line) else line for line in lines)


def _blank(line: str) -> str:
    return line[: len(line) - len(line.lstrip())] + "pass"


def _tree(source: str) -> tuple[str, ast.Module]:
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
    try:
        return source, ast.parse(source)
    except SyntaxError:
        plain = without_magics(source)
        if plain == source:
            raise
        return plain, ast.parse(plain)


def _statement(cell: int, node: ast.stmt) -> Statement:
    """Raises what `compile` does. Nothing is run: names are read off the compiled code.

    There, unlike in the syntax tree, a function's own variables are told from the module's.
    """
    code = compile(ast.Module([node], []), "cell", "exec", dont_inherit=True)
    binds, uses = _names(code)
    binds |= {_root(part) for part in _changed(node)} - {""}
    star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    return Statement(
        cell, node, frozenset(binds | ({"*"} if star else set())), frozenset(uses), _is_stub(node)
    )


def _names(code: CodeType) -> tuple[set[str], set[str]]:
    """The module's names that a piece of code binds, and those that it reads."""
    binds, uses = set(), set()
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_NAME", "STORE_GLOBAL"):
            binds.add(step.argval)
        elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_CLASSDEREF"):
            uses.add(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            bound, used = _names(inner)
            uses |= used
            binds |= {n for n in bound if _has_global(inner, n)}
    return binds, uses


def _has_global(code: CodeType, name: str) -> bool:
    steps = dis.get_instructions(code)
    return any(s.opname == "STORE_GLOBAL" and s.argval == name for s in steps)


def _changed(node: ast.stmt) -> Iterable[ast.expr]:
    """What a statement changes besides names: table[0] = …, table.append(…)."""
    for part in ast.walk(node):
        if isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield part
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield node.value.func if isinstance(node.value.func, ast.Attribute) else ast.Constant(0)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_stub(node: ast.stmt) -> bool:
    """Whether this is a function that only says that it isn't written."""
    if not isinstance(node, ast.FunctionDef):
        return False
    body = [s for s in node.body if not isinstance(s, ast.Expr)]
    return len(body) == 1 and isinstance(body[0], ast.Raise) and "NotImpl" in ast.dump(body[0])


def _needed(
    statements: list[Statement], function: str, home: set[int], left_out: set[int]
) -> set[int]:
    """Ids of the statements that the function rests on, directly or not.

    home: the cells whose every statement may count.
    """
    imported = {n for s in statements if _is_import(s.node) for n in s.binds}
    binders: dict[str, list[Statement]] = {}
    for s in statements:
        if id(s) in left_out or _course_imports(s.node):
            continue
        if s.cell in home or _is_harmless(s.node):
            for name in s.binds - imported if isinstance(s.node, ast.Expr) else s.binds:
                binders.setdefault(name, []).append(s)
    wanted, seen, kept = [function, "*"], {function, "*"}, set()
    while wanted:  # each name once, so that a long chain of names takes no longer than its length
        for s in binders.get(wanted.pop(), ()):
            if id(s) not in kept:
                kept.add(id(s))
                wanted += s.uses - seen
                seen |= s.uses
    return kept


def _uses(statements: list[Statement], kept: set[int]) -> list[Statement]:
    """The statements, kept or not, that bind a name which a kept one uses."""
    names = {name for s in statements if id(s) in kept for name in s.uses}
    return [s for s in statements if s.binds & names]


def _missing(statements: list[Statement], kept: set[int]) -> list[str]:
    """What the answer uses and only statements bind that weren't taken along, with their cells."""
    here = [s for s in statements if id(s) in kept]
    bound = {name for s in here for name in s.binds}
    wanted = {name for s in here for name in s.uses} - bound
    said = []
    for s in statements:
        for name in sorted(s.binds & wanted):
            wanted.discard(name)
            if not _course_imports(s.node):
                said.append(
                    f"{name} comes from cell {s.cell}, line {s.node.lineno}, which was not taken "
                    "along: an answer keeps imports, definitions and values"
                )
    return said


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _course_imports(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == OWN for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return bool(node.level) or (node.module or "").split(".")[0] == OWN
    return False


def _is_harmless(node: ast.stmt) -> bool:
    """Whether this is kept from other cells: what names a thing that the answer uses.

    Imports (also with a fallback, in `try`), definitions, and values: `device = torch.device(…)` as
    well as a lambda, a partial or a namedtuple. It all runs in the sandbox, or not at all.
    """
    if isinstance(node, ast.Try):
        return all(_is_harmless(part) for part in [*node.body, *node.orelse] if part)
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return _is_import(node) or isinstance(node, definitions | ast.Assign | ast.AnnAssign)


def _text(parsed: Parsed, kept: set[int]) -> str:
    """The kept statements as they stand, cell after cell; the others are blanked."""
    future, parts, by_cell = "", [], {}
    for s in parsed.statements:
        by_cell.setdefault(s.cell, []).append(s)
    for cell in parsed.cells:
        here = by_cell.get(cell.number, [])
        stays = [s for s in here if id(s) in kept]
        futures = [s.node for s in here if _is_future(s.node)]
        future += "".join(f"{ast.unparse(node)}\n" for node in futures)
        if [s for s in stays if s.node not in futures]:
            gone = [s.node for s in here if id(s) not in kept or s.node in futures]
            text = _without(parsed.texts[cell.number], gone)
            parts.append(f"# cell {cell.number}\n{text.strip(chr(10))}\n")
    return future + "\n\n".join(parts)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _without(text: str, gone: list[ast.stmt]) -> str:
    """The text with those statements turned into nothing, from the last to the first."""
    lines = text.encode().split(b"\n")
    for node in reversed(gone):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        start = node.col_offset if first == node.lineno - 1 else 0
        last, end = node.end_lineno - 1, node.end_col_offset
        before, after = lines[first][:start], lines[last][end:]
        alone = not before.strip() and not after.split(b"#")[0].strip(b" ;\t")
        lines[first : last + 1] = [b"" if alone else before + b"pass" + after]
    return re.sub(r"\n{3,}", "\n\n", b"\n".join(lines).decode())


def _said(parsed: Parsed, number: int) -> str:
    return f"cell {number} is no Python that can be read ({parsed.broken[number]})"
