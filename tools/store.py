"""Where executed pages are kept, and what is known of their last run."""

import json
from dataclasses import dataclass
from pathlib import Path

from tools.sources import REPO, Source

BUILD = REPO / "_build"
STORE = REPO / ".course" / "executed"


@dataclass(frozen=True)
class Kept:
    """Where the last execution of a source is kept."""

    folder: Path

    @property
    def notebook(self) -> Path:
        return self.folder / "executed.ipynb"

    @property
    def record(self) -> Path:
        return self.folder / "record.json"

    def read(self) -> dict:
        return json.loads(self.record.read_text()) if self.record.exists() else {}


def kept(source: Source, profile: str) -> Kept:
    return Kept(STORE / profile / source.kind / source.name)
