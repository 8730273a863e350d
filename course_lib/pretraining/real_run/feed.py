"""A run's rows: this rank's share of each batch, and the place in the corpus to save."""

from course_lib.data.mixing.loader import LoaderConfig, PackedLoader
from course_lib.data.mixing.shards import Shards
from course_lib.pretraining.loss import Batch
from course_lib.pretraining.real_run.config import RunConfig
from course_lib.pretraining.real_run.ranks import Ranks


class Feed:
    """Batches in order. A ``position`` is JSON-ready and the same on every rank."""

    def __init__(self, config: RunConfig, ranks: Ranks):
        loading = LoaderConfig(
            seq_len=config.seq_len,
            batch_rows=config.train.batch_size,
            eos_id=config.eos_id,
            seed=config.train.seed,
        )
        shards = Shards(config.tokens)
        self._loader = PackedLoader(shards, loading, rank=ranks.rank, world=ranks.size)

    @property
    def position(self) -> dict:
        """Where the next batch begins."""
        return self._loader.state_dict()

    def go_on(self, position: dict) -> None:
        """Go on from there. Raises ValueError where it is a place in another corpus or order."""
        self._loader.load_state_dict(position)

    def draw(self) -> Batch:
        """This rank's rows of the next batch."""
        return self._loader.batch()

    def documents(self, position: dict) -> list[int]:
        """The numbers of the documents in the global batch that begins there."""
        after = self.position
        self.go_on(position)
        rows = self._loader.rows()
        found = {piece[0] for _ in range(self._loader.config.batch_rows) for piece in next(rows)}
        self.go_on(after)
        return sorted(int(number) for number in found)
