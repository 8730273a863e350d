"""Solutions of one stem share a kernel, and each keeps its own cells."""

import nbformat

from tools.execute import AFRESH, _part, stage
from tools.sources import sources

TWO = [source for source in sources("solutions") if source.stem == "sft"][:2]


def test_staged_together_and_taken_apart_again(tmp_path):
    notebook = nbformat.read(stage(TWO, tmp_path / "sft.ipynb"), 4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells].count(AFRESH) == 1
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.execution_count = number + 1
            cell.outputs = [nbformat.v4.new_output("execute_result", execution_count=number + 1)]
    for source in TWO:
        alone = nbformat.read(stage([source], tmp_path / "alone.ipynb"), 4)
        part = _part(notebook, source)
        assert [cell.source for cell in part.cells] == [cell.source for cell in alone.cells]
        counts = [cell.execution_count for cell in part.cells if cell.cell_type == "code"]
        assert counts == list(range(1, len(counts) + 1))
        assert all("page" not in cell.metadata for cell in part.cells)
        assert all(
            output.execution_count == cell.execution_count
            for cell in part.cells
            if cell.cell_type == "code"
            for output in cell.outputs
        )


def test_the_stub_and_its_check_do_not_run(tmp_path):
    notebook = nbformat.read(stage(TWO, tmp_path / "sft.ipynb"), 4)
    assert not any("raise NotImplementedError" in cell.source for cell in notebook.cells)
