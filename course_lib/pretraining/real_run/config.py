"""What a run is told, and how it may end."""

from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path

from course_lib.architecture.config import ModelConfig
from course_lib.pretraining.checkpoints.faults import Policy
from course_lib.pretraining.loop.train import TrainConfig
from course_lib.pretraining.real_run.parallel import Layout

FREE = ("log_every", "save_every")  # what may differ when a run goes on


class Exit(IntEnum):
    """How a run ended. 75 is EX_TEMPFAIL of sysexits.h: nothing is wrong, start it again."""

    DONE = 0
    REFUSED = 2
    BAD_NUMBER = 3
    STORAGE = 4
    IN_USE = 5
    LOST_RANK = 6
    SAVED = 75


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where, what, and how a run behaves. ``timeout``: seconds to wait for a rank."""

    out: Path
    tokens: Path
    model: ModelConfig
    train: TrainConfig
    seq_len: int
    keep: int = 2
    timeout: float = 600.0
    policy: Policy = field(default_factory=Policy)
    device: str = "cpu"
    validation: Path | None = None  # shards; the loss on them is taken where the run is saved
    layout: Layout = field(default_factory=Layout)

    @property
    def log(self) -> Path:
        """The run's log, an event a line."""
        return self.out / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints."""
        return self.out / "checkpoints"

    def identity(self) -> dict:
        """What a checkpoint must have been made with, by dotted name."""
        parts = {"model": self.model.to_dict(), "train": asdict(self.train)}
        flat = {
            f"{part}.{name}": value
            for part, values in parts.items()
            for name, value in values.items()
            if name not in FREE
        }
        return flat | {"seq_len": self.seq_len}

    def require_same(self, saved: dict, path: Path) -> None:
        """Raises ValueError, naming each difference, where ``path`` was saved by another run."""
        ours = self.identity()
        differ = [
            f"{name} was {saved.get(name)!r} and is now {ours.get(name)!r}"
            for name in sorted(saved.keys() | ours.keys())
            if saved.get(name) != ours.get(name)
        ]
        if differ:
            raise ValueError(f"{path} belongs to another run: {'; '.join(differ)}")
