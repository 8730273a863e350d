"""A run from its first line to its exit code: signals, ranks, folder, log, and the loop in them."""

import sys

import torch

from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.loader import LoaderConfig, PackedLoader
from course_lib.data.mixing.shards import Shards
from course_lib.pretraining.loop.train import train
from course_lib.pretraining.real_run.config import Exit, RunConfig
from course_lib.pretraining.real_run.folder import FolderInUse, RunLog, locked
from course_lib.pretraining.real_run.hooks import Run
from course_lib.pretraining.real_run.parallel import parallelized
from course_lib.pretraining.real_run.ranks import LostRank, Ranks
from course_lib.pretraining.real_run.room import fault_of_room
from course_lib.pretraining.real_run.signals import StopRequest
from course_lib.pretraining.real_run.trained import keep_tokenizer

ENDS = {
    LostRank: Exit.LOST_RANK,
    FolderInUse: Exit.IN_USE,
    OSError: Exit.STORAGE,
    ValueError: Exit.REFUSED,
}


def run(config: RunConfig, hooks: type[Run] = Run) -> Exit:
    """Train in the run's folder, or go on there; a fault is named on the error stream.

    Each line needs what those before it made: the lock its ranks, the log its lock, the hooks all
    of them. ``hooks`` may be a class that does more.
    """
    ranks = None
    try:
        with StopRequest() as asked:
            ranks = Ranks.join(config.timeout, config.device, alone=config.layout.sharded)
            sizes = (config.model, config.seq_len, config.train.batch_size)
            # One rank looks, for all: near the limit two would see different memory.
            fault = fault_of_room(*sizes, config.device, ranks.size) if ranks.first else None
            if fault := ranks.from_first(fault):
                raise ValueError(fault)
            with locked(config.out, ranks):
                log = RunLog(config.log, writes=ranks.first)
                if ranks.first:
                    keep_tokenizer(config.tokens, config.out)
                feed = feed_of(config, ranks)
                around = hooks(config, ranks, log, feed, asked)
                generator = torch.Generator().manual_seed(config.train.seed)
                model = Decoder(config.model, generator=generator).to(config.device)
                train(
                    parallelized(model, config.layout, ranks),
                    around.batch_at,
                    config.train,
                    eos_id=feed.shards.eos_id,
                    on_log=around.log_step,
                    loss_fn=around.loss,
                    hooks=around,
                )
                code = around.close()
            ranks.leave()
        return _say(code, around.fault) if around.fault else code
    except tuple(ENDS) as error:
        if ranks is not None and not isinstance(error, LostRank):
            ranks.leave()  # a process that ends inside a group is aborted, whatever its exit code
        return ended_by(error)


def feed_of(config: RunConfig, ranks: Ranks) -> PackedLoader:
    """This rank's share of the batches."""
    loading = LoaderConfig(
        seq_len=config.seq_len, batch_size=config.train.batch_size, seed=config.train.seed
    )
    rank, size = config.layout.rows_of(ranks)
    return PackedLoader(Shards(config.tokens), loading, rank=rank, world_size=size)


def ended_by(error: Exception) -> Exit:
    """The exit code of an error that is no bug of ours; its message goes to the error stream."""
    return _say(next(code for kind, code in ENDS.items() if isinstance(error, kind)), str(error))


def _say(code: Exit, text: str) -> Exit:
    print(f"pretraining ends with {code.name.lower()} ({int(code)}): {text}", file=sys.stderr)
    return code
