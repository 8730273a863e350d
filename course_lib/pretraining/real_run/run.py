"""The command that trains: here its options are said, once, for one process and for many.

    course pretrain --tokens shards --out runs/a
    torchrun --nproc-per-node=8 -m course_lib.pretraining.real_run.run --tokens shards --out runs/a

The same command begins a run and goes on with it. How it ended is the exit code: `config.Exit`.
What it needs is imported when it runs: `course --help` shows it beside the others, and is quick.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True)
class Command:
    """``own_tokens``: writes shards into a folder for a run that was given none, if anybody can."""

    own_tokens: Callable[[Path], Path] | None = None

    def pretrain(
        self,
        out: Annotated[Path, typer.Option(help="the run's folder; the same one again goes on")],
        tokens: Annotated[
            Path | None,
            typer.Option(help="shards of token ids; `course pretrain` without: its own corpus"),
        ] = None,
        validation: Annotated[
            Path | None,
            typer.Option(help="shards to take a loss on at each save; else tokens/validation"),
        ] = None,
        profile: Annotated[
            str | None, typer.Option(help="cpu, colab, gpu or auto; else COURSE_PROFILE")
        ] = None,
        depth: Annotated[
            int | None,
            typer.Option(help="layers: width, heads, learning rate and steps follow from them"),
        ] = None,
        steps: Annotated[int | None, typer.Option(help="instead of the profile's")] = None,
        batch_size: Annotated[
            int | None,
            typer.Option("--batch-size", "--rows", help="rows a step, of all ranks together"),
        ] = None,
        seq_len: Annotated[int | None, typer.Option(help="tokens in a row")] = None,
        lr: Annotated[float | None, typer.Option(help="instead of the profile's")] = None,
        seed: Annotated[int, typer.Option(help="of the weights and the order of rows")] = 0,
        log_every: Annotated[int, typer.Option(help="steps between lines of the log")] = 10,
        save_every: Annotated[int, typer.Option(help="steps between checkpoints")] = 200,
        keep: Annotated[int, typer.Option(help="checkpoints that stay")] = 2,
        nonfinite: Annotated[str, typer.Option(help="at NaN, infinity: stop, skip")] = "stop",
        spike: Annotated[str, typer.Option(help="if the loss jumps: skip, warn, ignore")] = "warn",
        parallel: Annotated[
            str, typer.Option(help="engine of many ranks: ours, ddp, fsdp, fsdp+tp")
        ] = "ours",
        tensor: Annotated[
            int | None, typer.Option(help="ranks that share each matrix, with fsdp+tp: 2 if unsaid")
        ] = None,
        timeout: Annotated[float, typer.Option(help="seconds to wait for a rank")] = 600.0,
    ) -> None:
        """Train a model in a folder of its own, through kills, full disks and bad numbers."""
        from course_lib.pretraining.checkpoints.faults import Policy
        from course_lib.pretraining.loop.train import TrainConfig
        from course_lib.pretraining.real_run.config import RunConfig
        from course_lib.pretraining.real_run.parallel import Layout
        from course_lib.pretraining.real_run.sizes import sized
        from course_lib.pretraining.real_run.supervise import ended_by, run
        from course_lib.profile import current, named

        try:
            chosen, tokens = named(profile) if profile else current(), tokens or self._own(out)
            sizes = sized(chosen, tokens, depth, steps, batch_size, seq_len, lr)
            config = RunConfig(
                out=out,
                tokens=tokens,
                model=sizes.model,
                train=TrainConfig(
                    steps=sizes.steps,
                    batch_size=sizes.batch_size,
                    lr=sizes.lr,
                    seed=seed,
                    log_every=log_every,
                    save_every=save_every,
                ),
                seq_len=sizes.seq_len,
                keep=keep,
                timeout=timeout,
                policy=Policy(nonfinite=nonfinite, spike=spike),
                device=sizes.device,
                validation=validation or found_beside(tokens),
                layout=Layout(parallel, tensor or (2 if parallel == "fsdp+tp" else 1)),
            )
        except (ValueError, OSError) as error:
            raise typer.Exit(ended_by(error)) from error
        raise typer.Exit(run(config))

    def _own(self, out: Path) -> Path:
        if self.own_tokens is None:
            raise ValueError("--tokens is missing: expected a folder of shards")
        return self.own_tokens(out / "tokens")


def found_beside(tokens: Path) -> Path | None:
    """The shards in ``tokens/validation``, where there are some."""
    beside = tokens / "validation"
    return beside if (beside / "index.json").exists() else None


app = typer.Typer(add_completion=False)
app.command()(Command().pretrain)


def main(argv: list[str] | None = None) -> int:
    """Run what the command line says; its exit code, a `config.Exit`."""
    try:
        app(argv)
    except SystemExit as end:
        return end.code


if __name__ == "__main__":
    sys.exit(main())
