"""The import table: who may import whom in course_lib, and what no module does when imported."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from course_lib import imports

# A package may import itself, `world`, and these. A name with a dot allows that module alone.
CHAPTERS = {
    "world": set(),
    "architecture": set(),
    "data": set(),
    "pretraining": {"architecture", "data"},
    "scaling": {"architecture.accounting", "architecture.decoder"},  # the model for its ModelConfig
    "distributed": {"architecture", "pretraining"},
    "sft": {"architecture", "data", "pretraining"},
    "alignment": {"architecture", "data", "pretraining", "sft"},
    "evaluation": {"architecture", "data"},
    "deployment": {"architecture", "data"},
}
# Artifact keys stay narrow only where the chapters' code knows no profile, store or device rule.
# `measure` reads no environment: it asks the system what the process has spent.
ROOT_FOR_CHAPTERS = {"measure"}
TABLE = CHAPTERS | {
    "page": {"data"},
    "checks": set(CHAPTERS),
    "grading": {"checks"},
    "studies": {*CHAPTERS, "page", "checks", "grading"},
    "cli": {*CHAPTERS, "page", "checks", "grading", "studies"},
}
ROOT_FOR = {
    "pretraining.real_run": {"profile", "runtime"},  # it holds a command line
    "page": {"imports", "profile", "runtime"},
    "checks": {"runtime"},
    "grading": {"runtime", "imports"},  # a grade is known by the code that gave it
    "studies": {
        "artifacts",
        "experiments",
        "imports",
        "lineage",
        "measure",
        "profile",
        "runtime",
    },
    "cli": {"artifacts", "experiments", "imports", "lineage", "measure", "profile", "runtime"},
}


def _relative(module: str) -> str:
    return module.removeprefix(f"{imports.ROOT}.")


def _forbidden(module: str, target: str) -> bool:
    package, other = _relative(module).split(".")[0], _relative(target)
    if package not in TABLE or other == imports.ROOT:
        return False
    if "." not in other and other not in TABLE:
        folder = _relative(module).rpartition(".")[0]
        return other not in ROOT_FOR.get(folder, ROOT_FOR.get(package, ROOT_FOR_CHAPTERS))
    allowed = TABLE[package] | {package, "world"}
    return not any(other == name or other.startswith(f"{name}.") for name in allowed)


def test_packages_import_only_what_the_table_allows():
    found = [
        f"{module} imports {target}"
        for module, targets in imports.edges().items()
        for target in sorted(targets)
        if _forbidden(module, target)
    ]
    assert not found, "\n".join(found)


def test_the_root_imports_chapters_in_lineage_alone():
    """But for the profile, which holds the sizes of a model."""
    found = [
        f"{module} imports {target}"
        for module, targets in imports.edges().items()
        if module.count(".") == 1 and _relative(module) not in {*TABLE, "lineage"}
        for target in targets
        if target.split(".")[1] in TABLE
    ]
    assert found.pop() == "course_lib.profile imports course_lib.architecture.config"
    assert not found, "\n".join(found)


def test_no_arrow_between_folders_runs_back_up():
    """Folders form floors at every depth: between two of one package, imports go one way."""
    edges, found = imports.edges(), []
    for folder in sorted({module.rpartition(".")[0] for module in edges} - {""}):
        rooms: dict[str, set[str]] = {}
        for module, targets in edges.items():
            here = _room(folder, module)
            for there in (_room(folder, target) for target in targets):
                if here and there and here != there:
                    rooms.setdefault(here, set()).add(there)
        try:
            list(TopologicalSorter(rooms).static_order())
        except CycleError as error:
            found.append(f"{folder}: " + " → ".join(error.args[1]))
    assert not found, "\n".join(found)


def _room(folder: str, module: str) -> str | None:
    """The file or folder directly in `folder` that holds the module, or None."""
    if not module.startswith(f"{folder}."):
        return None
    return module.removeprefix(f"{folder}.").split(".")[0]


def test_every_package_stands_in_the_table():
    packages = {m.split(".")[1] for m in imports.module_names() if m.count(".") >= 2}
    assert packages == set(TABLE)


def test_the_table_forbids_what_it_should():
    assert _forbidden("course_lib.sft.train", "course_lib.alignment.grpo")
    assert _forbidden("course_lib.sft.train", "course_lib.lineage")
    assert _forbidden(
        "course_lib.scaling.laws.fit", "course_lib.architecture.attention.dot_product"
    )
    assert not _forbidden(
        "course_lib.scaling.laws.fit", "course_lib.architecture.accounting.formulas"
    )
    assert _forbidden("course_lib.grading.judge", "course_lib.studies.grading.demo")
    assert not _forbidden("course_lib.studies.data.filtering", "course_lib.lineage")


def test_no_cycles():
    graph = {module: set(targets) for module, targets in imports.edges().items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail("modules import each other: " + " → ".join(error.args[1]))


READS = {"os.environ", "os.getenv", "torch.cuda", "torch.device", "torch.set_num_threads"}
READS |= {"torch.manual_seed", "torch.set_default_dtype", "torch.get_default_dtype"}


@pytest.mark.parametrize("module", imports.module_names())
def test_import_reads_no_environment_and_picks_no_device(module):
    path = imports.module_path(module)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        f"{path.name}:{node.lineno} {ast.unparse(node)}"
        for node in _runs_at_import(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in READS
    ]
    assert not found, "\n".join(found)


def _runs_at_import(node: ast.AST):
    """Every node that is evaluated when the module is imported: all but function bodies."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*child.decorator_list, *child.args.defaults, *child.args.kw_defaults):
                if part is not None:
                    yield part
                    yield from _runs_at_import(part)
        elif not isinstance(child, ast.Lambda):
            yield child
            yield from _runs_at_import(child)


def test_source_hash_sees_code_alone():
    plain = imports.source_hash("def f(x):\n    return x + 1\n")
    assert plain == imports.source_hash('def f(x):\n    "Adds."\n    # one\n    return (x + 1)\n')
    assert plain != imports.source_hash("def f(x):\n    return x + 2\n")


def test_a_name_is_followed_to_the_module_that_defines_it():
    found = imports.imports_of("from course_lib.world import World\n")
    assert found == {"course_lib.world.world"}
    assert imports.imports_of("from course_lib import runtime") == {"course_lib.runtime"}
    with pytest.raises(ValueError, match="write the import in full"):
        imports.imports_of("from . import model", "course_lib.architecture.x")


def test_closure_stops_where_told():
    everything = imports.closure(["course_lib.lineage"])
    stopped = imports.closure(["course_lib.lineage"], stop=["course_lib.lineage"])
    assert stopped == {"course_lib.lineage"}
    assert "course_lib.architecture.decoder" in everything
    with pytest.raises(ValueError, match="no module 'course_lib.nothing'"):
        imports.closure(["course_lib.nothing"])


def _private_imports(module: str, source: str) -> list[str]:
    """The underscore names, of modules or in them, that are another package's own."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        else:
            continue
        for path in paths:
            parts = path.split(".")
            hidden = [i for i, part in enumerate(parts) if part[0] == "_" and part[:2] != "__"]
            if not hidden or parts[0] != imports.ROOT:
                continue
            owner = ".".join(parts[: hidden[0]])
            if imports.module_path(owner).name != "__init__.py":
                owner = owner.rpartition(".")[0]  # a name in a file: its package's own
            if not f"{module}.".startswith(f"{owner}."):
                found.append(f"{module}:{node.lineno} imports {path}")
    return found


def test_no_module_imports_an_underscore_name_of_another_package():
    found = []
    for module in imports.module_names():
        source = imports.module_path(module).read_text(encoding="utf-8")
        found += _private_imports(module, source)
    assert not found, "\n".join(found)


def test_an_underscore_name_belongs_to_its_package():
    def refused(module: str, source: str) -> bool:
        return bool(_private_imports(f"course_lib.{module}", source))

    name = "from course_lib.checks.exercise import _Outcome"
    assert refused("grading.judge", name) and not refused("checks.report", name)
    file = "from course_lib.checks.scaling import _laws"
    assert refused("checks.exercise", file) and not refused("checks.scaling.runs", file)
    assert refused("checks.exercise", "import course_lib.checks.scaling._laws")
    assert not refused("grading.judge", "from course_lib.imports import __doc__, closure")
