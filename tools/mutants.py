"""Wrong answers that nobody wrote: each right answer with one thing changed, against its check.

    python -m tools.mutants [architecture/rope …]

The operators change the syntax tree in one place: another comparison, constant, sign, operator,
axis or reduction, arguments swapped, a range shifted, a statement dropped, two in another order, a
condition turned. For each exercise it prints how many mutants are caught, how many of those by the
name of a mistake, and every one that isn't caught: it is equal to the right answer, or a hole.
"""

import ast
import copy
import inspect
import runpy
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from course_lib.checks import catalogue
from course_lib.checks.exercise import Exercise
from course_lib.checks.trial import Contained
from tools.sources import REPO

SECONDS = 3.0
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
COMPARISONS |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In}
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OPERATORS |= {ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult}
TWINS = {"mean": "sum", "sum": "mean", "max": "min", "min": "max", "amax": "amin", "amin": "amax"}
TWINS |= {"argmax": "argmin", "floor": "ceil", "ceil": "floor", "sqrt": "square", "exp": "log"}
TWINS |= {"log": "exp", "any": "all", "all": "any", "append": "extend", "sin": "cos", "cos": "sin"}


@dataclass
class Tally:
    """What came of an exercise's mutants. open: those that passed, in words."""

    made: int = 0
    caught: int = 0
    named: int = 0
    open: list[str] = field(default_factory=list)


def places(tree: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    """Each single change: in words, and what makes it in a copy of the tree.

    A node is found again by its number in the walk, so a change never touches the tree it is of.
    """
    for number, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node):
            yield f"line {getattr(node, 'lineno', '?')}: {what}", _at(number, change)


def _at(number: int, change: Callable[[ast.AST], None]) -> Callable[[ast.AST], None]:
    def apply(tree: ast.AST) -> None:
        change(next(node for i, node in enumerate(ast.walk(tree)) if i == number))

    return apply


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        other = COMPARISONS[type(node.ops[0])]
        yield f"compare by {other.__name__}", lambda n: n.ops.__setitem__(0, other())
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        operator = OPERATORS[type(node.op)]
        yield f"operator {operator.__name__}", lambda n: setattr(n, "op", operator())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div | ast.MatMult):
        yield "operands swapped", _swap_operands
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "no minus", lambda n: setattr(n, "op", ast.UAdd())
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for value in (node.value + 1, node.value - 1):
            yield f"{node.value} becomes {value}", lambda n, v=value: setattr(n, "value", v)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"not {node.value}", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.Attribute) and node.attr in TWINS:
        yield f"{TWINS[node.attr]} for {node.attr}", lambda n: setattr(n, "attr", TWINS[n.attr])
    if isinstance(node, ast.Call) and len(node.args) > 1:
        yield "arguments swapped", lambda n: n.args.insert(0, n.args.pop(1))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range":
        yield "range ends one early", _shorter
    if isinstance(node, ast.IfExp | ast.If):
        yield "condition turned", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
    body = getattr(node, "body", None)
    for i, statement in enumerate(body if isinstance(body, list) else ()):
        if not isinstance(statement, ast.Return | ast.FunctionDef) and not _is_text(statement):
            yield f"without: {ast.unparse(statement)[:50]}", lambda n, i=i: _drop(n.body, i)
        if i and not isinstance(statement, ast.Return | ast.FunctionDef):
            yield f"earlier: {ast.unparse(statement)[:50]}", lambda n, i=i: _earlier(n.body, i)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _swap_operands(node: ast.BinOp) -> None:
    node.left, node.right = node.right, node.left


def _shorter(node: ast.Call) -> None:
    last = 0 if len(node.args) == 1 else 1
    node.args[last] = ast.BinOp(node.args[last], ast.Sub(), ast.Constant(1))


def _drop(body: list[ast.stmt], i: int) -> None:
    body[i] = ast.Pass()


def _earlier(body: list[ast.stmt], i: int) -> None:
    body[i - 1], body[i] = body[i], body[i - 1]


def mutants(function: Callable) -> Iterator[tuple[str, Callable]]:
    """The function with one thing changed, again and again; its globals are the right one's."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for what, change in places(tree):
        changed = copy.deepcopy(tree)
        change(changed)
        ast.fix_missing_locations(changed)
        space = dict(function.__globals__)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(changed, "<mutant>", "exec"), space)
        except (SyntaxError, ValueError):
            continue
        if callable(space.get(function.__name__)):
            yield what, space[function.__name__]


def tally(exercise: Exercise, function: Callable, seed: int = 0) -> Tally:
    """Every mutant of one right answer, judged as the instant check does."""
    found = Tally()
    for what, mutant in mutants(function):
        found.made += 1
        report = exercise.examine(Contained(mutant, exercise.forbidden, SECONDS), seed)
        if report.passed:
            found.open.append(what)
        else:
            found.caught += 1
            found.named += report.mistake is not None
    return found


def main(argv: list[str] | None = None) -> int:
    """Print a line an exercise, and the mutants that pass."""
    wanted = sys.argv[1:] if argv is None else argv
    total = Tally()
    for name, exercise in catalogue().items():
        if wanted and name not in wanted:
            continue
        stem, topic = name.split("/")
        file = REPO / "solutions" / stem / "mutants" / f"{topic}.py"
        right = runpy.run_path(str(file))["RIGHT"][0]
        found = tally(exercise, right)
        total.made, total.caught = total.made + found.made, total.caught + found.caught
        total.named += found.named
        print(f"{name}: {found.made} made, {found.caught} caught, {found.named} named", flush=True)
        for what in found.open:
            print(f"    passes: {right.__name__}, {what}")
    print(f"in all: {total.made} made, {total.caught} caught, {total.named} named")
    return 0


if __name__ == "__main__":
    sys.exit(main())
