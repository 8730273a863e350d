"""One small interface to four ways of keeping curves: JSON lines, TensorBoard, trackio and W&B.

Each tracker has ``log(step, {name: value})`` and ``close()``, and a function beside it reads back
what it wrote, as {name: [(step, value), …]}. Nothing here talks to the network.
"""

import json
import math
import os
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Protocol, runtime_checkable

Series = dict[str, list[tuple[int, float]]]
WANDB_BLOCK, WANDB_HEADER, RECORD_HEADER = 32_768, 7, 7


@runtime_checkable  # lets the type checker of the tests look for the two methods
class Tracker(Protocol):
    """What a training loop asks of a tracker."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep these values of a step."""

    def close(self) -> None:
        """Write what is still in memory."""


class JSONL:
    """A line of JSON a call, appended: what is written survives the run's death.

    JSON has no NaN and no infinity; they are written as null, and read back as NaN.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        finite = {k: float(v) if math.isfinite(v) else None for k, v in values.items()}
        with self.path.open("a") as file:
            file.write(json.dumps({"step": int(step), **finite}, allow_nan=False) + "\n")

    def close(self) -> None:
        """Nothing: every line is on disk."""


class TensorBoard:
    """Event files in ``folder``; look at them with ``tensorboard --logdir folder``."""

    def __init__(self, folder: Path | str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class Trackio:
    """A local SQLite file in ``folder``; look at it with ``trackio show``.

    trackio reads its folder once, when it is first imported. Raises ValueError where that has
    happened already with another folder.
    """

    def __init__(self, folder: Path | str, project: str, name: str) -> None:
        os.environ["TRACKIO_DIR"] = str(folder)
        import trackio
        from trackio.utils import TRACKIO_DIR

        if Path(TRACKIO_DIR) != Path(folder):
            raise ValueError(
                f"folder={str(folder)!r}: trackio was imported with TRACKIO_DIR={TRACKIO_DIR}; "
                "use that one, or a new process"
            )
        with redirect_stdout(StringIO()):  # it prints how to start its dashboard
            self.run = trackio.init(
                project=project, name=name, embed=False, auto_log_cpu=False, auto_log_gpu=False
            )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        with redirect_stdout(StringIO()):
            self.run.finish()


class WandB:
    """Weights & Biases, offline: a file in ``folder`` that ``wandb sync`` could send later.

    ``mode="offline"`` keeps the run on this machine, but wandb 0.31 still sends telemetry of its
    own unless the environment says offline too, before wandb is first used.
    """

    def __init__(self, folder: Path | str, project: str, name: str) -> None:
        os.environ["WANDB_MODE"] = "offline"
        import wandb

        Path(folder).mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        self.run = wandb.init(
            project=project, name=name, dir=str(folder), mode="offline", settings=quiet
        )
        self._teardown = wandb.teardown

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()
        self._teardown()  # finish() doesn't wait for wandb's own process to write its last records


class Many:
    """Hands everything on to several trackers."""

    def __init__(self, *trackers: Tracker) -> None:
        self.trackers = trackers

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for tracker in self.trackers:
            tracker.log(step, values)

    def close(self) -> None:
        for tracker in self.trackers:
            tracker.close()


def read_jsonl(path: Path | str) -> Series:
    """What `JSONL` wrote. A step that a resumed run wrote again counts once, as last written."""
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return _series((line.pop("step"), line) for line in lines)


def read_tensorboard(folder: Path | str) -> Series:
    """What `TensorBoard` wrote; its values are float32."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def read_trackio(folder: Path | str, project: str, name: str) -> Series:
    """What `Trackio` wrote. Raises ValueError where the project has no such run."""
    with sqlite3.connect(Path(folder) / f"{project}.db") as base:
        query = "select step, metrics from metrics where run_name = ? order by id"
        rows = base.execute(query, (name,)).fetchall()
    if not rows:
        raise ValueError(f"name={name!r}: project {project!r} holds no run of that name")
    return _series((step, json.loads(metrics)) for step, metrics in rows)


def read_wandb(folder: Path | str) -> Series:
    """What the newest `WandB` run in ``folder`` wrote: the history records of its .wandb file.

    The file is a log of protobuf records in blocks of 32,768 bytes, laid out as LevelDB's log.
    Raises ValueError where there is none.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    files = sorted(Path(folder).rglob("*.wandb"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise ValueError(f"folder={str(folder)!r}: no .wandb file in it")
    rows = []
    for payload in _wandb_records(files[-1].read_bytes()):
        record = Record()
        record.ParseFromString(payload)
        if record.HasField("history"):
            items = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            step = items.pop("_step", record.history.step.num)
            rows.append((step, {k: v for k, v in items.items() if not k.startswith("_")}))
    return _series(rows)


def _wandb_records(data: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: crc32 (4 bytes), length (2), kind (1), then the payload.

    Kind 1 is a whole record; 2, 3 and 4 are the first, a middle and the last piece of one. A block
    whose last bytes can't hold a header is padded with zeros.
    """
    at, pieces = WANDB_HEADER, b""
    while at + RECORD_HEADER <= len(data):
        room = WANDB_BLOCK - at % WANDB_BLOCK
        if room < RECORD_HEADER:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        at += RECORD_HEADER
        pieces += data[at : at + length]
        at += length
        if kind in (1, 4):
            yield pieces
            pieces = b""


def _series(rows) -> Series:
    found: dict[str, dict[int, float]] = {}
    for step, values in rows:
        for name, value in values.items():
            found.setdefault(name, {})[int(step)] = math.nan if value is None else float(value)
    return {name: sorted(points.items()) for name, points in found.items()}
