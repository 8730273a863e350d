"""The source of one answer, put together from a notebook's cells by reading alone.

A notebook holds work in progress: plots, downloads, checks, dead ends. Kept is what the answer's
function needs, found by following names from statement to statement, whatever cell they are in.
Left out, and said so, is what rests on the course's own library or on the notebook's commands. The
rest is blanked, line by line, so that what stays is the student's own text.
"""

import ast
import dis
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType

from course_lib.grading.intake.commands import as_python, without_magics
from course_lib.grading.intake.notebook import Cell, plain_text

OWN = "course_lib"
USES = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS")


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
    commands: list[tuple[int, str]] = field(default_factory=list)  # left out: cell, its line

    def defines(self, name: str) -> list[Statement]:
        """The statements that bind a name at the top level, in order."""
        return [s for s in self.statements if name in s.binds]

    def spells(self, name: str) -> list[int]:
        """The cells that define a function of that name, and can't be read as Python."""
        begins = re.compile(rf"^[ \t]*(?:async )?def {re.escape(name)}\b", re.MULTILINE)
        return [c.number for c in self.cells if c.number in self.broken and begins.search(c.source)]


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
            text, tree, left_out = as_python(cell.source)
            found = [_statement(cell.number, node) for node in tree.body]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
            said = getattr(error, "msg", None) or str(error) or "too deep"
            parsed.broken[cell.number] = f"{type(error).__name__}{line}: {plain_text(said, 100)}"
            continue
        parsed.texts[cell.number] = text
        parsed.commands += [(cell.number, command) for command in left_out]
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
    made = parsed.defines(function)
    raw = [n for n in named if n in parsed.broken] or parsed.spells(function)
    if raw and not [s for s in made if not s.stub]:
        cell = next(c for c in parsed.cells if c.number == raw[-1])
        return Answer(without_magics(cell.source)[0], (*problems, _said(parsed, raw[-1])))
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
    resting = _rests_on_course(parsed.statements)
    away = set(map(id, set(made) - set(counting))) | resting
    kept = _needed(parsed.statements, function, away)
    wanted = _uses(parsed.statements, kept)
    if any(_course_imports(s.node) for s in wanted):
        problems.append(f"it imports {OWN}: an answer must stand on its own, so that was left out")
    problems += [
        f"cell {s.cell}, line {s.node.lineno}: left out, since it rests on {OWN}"
        for s in wanted
        if id(s) in resting and not _course_imports(s.node)
    ]
    names = {name for s in parsed.statements if id(s) in kept for name in s.uses}
    problems += [
        f"cell {number}: {line!r} is a notebook's command, which was left out"
        for number, line in parsed.commands
        if number in home or names & set(re.findall(r"\w+", line.partition("=")[0]))
    ][:10]
    return Answer(_text(parsed, kept), tuple(problems), stub=not [s for s in made if not s.stub])


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
        elif step.opname in USES:
            uses.add(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            bound, used = _names(inner)
            uses |= used
            binds |= bound & _globals_of(inner)
    return binds, uses


def _globals_of(code: CodeType) -> set[str]:
    return {s.argval for s in dis.get_instructions(code) if s.opname == "STORE_GLOBAL"}


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


def _needed(statements: list[Statement], function: str, left_out: set[int]) -> set[int]:
    """Ids of the statements that the function rests on, directly or not.

    Each statement is looked at once for each name it binds: 8,000 cells are no trouble.
    """
    imported = {n for s in statements if _is_import(s.node) for n in s.binds}
    binding: dict[str, list[Statement]] = {}
    for s in statements:
        if id(s) in left_out or _course_imports(s.node):
            continue
        for name in s.binds - imported if isinstance(s.node, ast.Expr) else s.binds:
            binding.setdefault(name, []).append(s)
    kept: set[int] = set()
    waiting, seen = [function, "*"], {function, "*"}
    while waiting:
        for s in binding.get(waiting.pop(), []):
            if id(s) not in kept:
                kept.add(id(s))
                waiting += s.uses - seen
                seen |= s.uses
    return kept


def _rests_on_course(statements: list[Statement]) -> set[int]:
    """Ids of the statements that would fail at once, since the course's library isn't there.

    A function or class that only mentions it may be loaded, and fails when it is called.
    """
    missing: set[str] = set()
    found = set()
    for s in statements:
        later = isinstance(s.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if _course_imports(s.node) or (not later and s.uses & missing):
            found.add(id(s))
            missing |= s.binds - {"*"}
        else:
            missing -= s.binds
    return found


def _uses(statements: list[Statement], kept: set[int]) -> list[Statement]:
    """The statements, kept or not, that bind a name which a kept one uses."""
    names = {name for s in statements if id(s) in kept for name in s.uses}
    return [s for s in statements if s.binds & names]


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _course_imports(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == OWN for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return bool(node.level) or (node.module or "").split(".")[0] == OWN
    return False


def _text(parsed: Parsed, kept: set[int]) -> str:
    """The kept statements as they stand, cell after cell; the others are blanked."""
    future, parts = "", []
    by_cell: dict[int, list[Statement]] = {}
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
