"""Rows of a Parquet file, a batch at a time, with every fault named at its row."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

BATCH = 1024
Fault = tuple[str, str]


def rows(path: Path, cap: int) -> Iterator[tuple[int, dict | Fault]]:
    """(row from 1, its values or what is wrong with it). Strings must be UTF-8.

    `cap`: bytes of column data after decompression, as the file's footer declares them.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        if path.stat().st_size:  # an empty file holds no rows
            yield 1, ("damaged Parquet", _short(error))
        return
    with file:
        yield from _groups(file, cap)


def _groups(file: pq.ParquetFile, cap: int) -> Iterator[tuple[int, dict | Fault]]:
    size, row = 0, 0
    for group in range(file.metadata.num_row_groups):
        size += file.metadata.row_group(group).total_byte_size
        if size > cap:
            yield row + 1, ("past the byte cap", f"more than {cap:,} bytes")
            return
        try:
            for batch in file.iter_batches(BATCH, row_groups=[group]):
                for values in _batch(batch):
                    row += 1
                    yield row, values
        except (pa.ArrowException, OSError, ValueError) as error:
            yield row + 1, ("damaged Parquet", _short(error))
            return


def _batch(batch: pa.RecordBatch) -> Iterator[dict | Fault]:
    for i in range(batch.num_rows):
        try:
            yield {name: batch.column(name)[i].as_py() for name in batch.schema.names}
        except UnicodeDecodeError as error:  # Parquet promises UTF-8, and no reader checks
            yield "invalid UTF-8", f"{error.reason} at byte {error.start}"
        except (ValueError, OverflowError, pa.ArrowException) as error:
            yield "unreadable value", _short(error)


def _short(error: Exception) -> str:
    return str(error).split("\n")[0][:120]
