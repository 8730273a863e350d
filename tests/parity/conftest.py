"""The `parity` fixture: ours equals the reference, and the row is kept for the appendix."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "_build" / "parity"


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Callable[..., None]:
    """parity(stem=…, ours=…, reference=…, error=…, tolerance=…, note=…)

    Fails unless error is finite and at most tolerance. Either way one row goes to
    _build/parity/<stem>-<hash>.json, from which the appendix *Proven equal* is drawn.
    """

    def record(
        *, stem: str, ours: str, reference: str, error: float, tolerance: float, note: str = ""
    ) -> None:
        error, tolerance = float(error), float(tolerance)
        holds = math.isfinite(error) and 0.0 <= error <= tolerance
        row = {
            "stem": stem,
            "ours": ours,
            "reference": reference,
            "error": error if math.isfinite(error) else None,
            "tolerance": tolerance,
            "note": note,
            "holds": holds,
            "test": request.node.nodeid,
        }
        name = hashlib.sha256(f"{ours}|{reference}|{note}|{row['test']}".encode()).hexdigest()[:10]
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{stem}-{name}.json").write_text(json.dumps(row, indent=1) + "\n")
        assert holds, f"{ours} differs from {reference} by {error:.3g}, more than {tolerance:.3g}"

    return record
