"""The pure helpers of the S-curve's script against the formula in Python."""

import json
import shutil
import subprocess

import pytest

from course_lib.data.deduplication.deduplicate import DedupConfig
from course_lib.page import widgets


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the script")
def test_the_sliders_draw_the_formula():
    cases = [(b, r, s) for b in (1, 14, 32) for r in (1, 4, 8) for s in (0.1, 0.5, 0.75, 1.0)]
    program = (
        f"const widget = {widgets.script('s_curve').strip()};\n"
        f"const cases = {json.dumps(cases)};\n"
        "console.log(JSON.stringify(cases.map(([b, r, s]) => "
        "[widget.chance(s, b, r), widget.similarity(widget.chance(s, b, r), b, r)])))"
    )
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    for (bands, rows, s), (chance, back) in zip(cases, json.loads(done.stdout), strict=True):
        assert chance == pytest.approx(DedupConfig(bands=bands, rows=rows).detection(s))
        if chance < 0.999:  # where the curve is flat it can't be turned round
            assert back == pytest.approx(s)
