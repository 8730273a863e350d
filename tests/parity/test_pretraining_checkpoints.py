"""Saving, resuming and adding up gradients, against safetensors, DCP and DDP."""

import pytest
import safetensors
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors.torch import load_file
from torch.nn.parallel import DistributedDataParallel

from course_lib.pretraining.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from course_lib.pretraining.real_run.drill import fork_ranks
from course_lib.pretraining.real_run.ranks import Ranks

STEPS = 10


def fresh() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.GELU(), torch.nn.Linear(16, 3))
    return net, torch.optim.AdamW(net.parameters(), lr=1e-2)


def steps(net, adam, first: int, last: int) -> list[float]:
    found = []
    for step in range(first, last):
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(step))
        loss = (net(x) - x[:, :3].sin()).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        found.append(loss.item())
    return found


def test_weights_file(parity, tmp_path):
    net, adam = fresh()
    steps(net, adam, 0, 3)
    found = load_file(save_checkpoint(tmp_path, 3, net, adam) / "model.safetensors")
    assert found.keys() == dict(net.named_parameters()).keys()
    parity(
        stem="pretraining",
        ours="pretraining.checkpoint.save_checkpoint",
        reference=f"safetensors {safetensors.__version__} load_file",
        error=max((found[n] - p).abs().max().item() for n, p in net.named_parameters()),
        tolerance=0.0,
        note="weights of our checkpoint, read by the library",
    )


def test_resume(parity, tmp_path):
    straight = steps(*fresh(), 0, 2 * STEPS)
    net, adam = fresh()
    steps(net, adam, 0, STEPS)
    path = save_checkpoint(tmp_path, STEPS, net, adam)
    dcp.save(
        {"net": net.state_dict(), "adam": adam.state_dict()},
        checkpoint_id=tmp_path / "dcp",
        no_dist=True,
    )
    net, adam = fresh()
    load_checkpoint(path, net, adam)
    ours = steps(net, adam, STEPS, 2 * STEPS)
    net, adam = fresh()
    steps(net, adam, 0, 1)  # DCP fills the tensors that it is given
    state = {"net": net.state_dict(), "adam": adam.state_dict()}
    dcp.load(state, checkpoint_id=tmp_path / "dcp", no_dist=True)
    net.load_state_dict(state["net"])
    adam.load_state_dict(state["adam"])
    theirs = steps(net, adam, STEPS, 2 * STEPS)
    assert ours == straight[STEPS:]
    parity(
        stem="pretraining",
        ours="pretraining.checkpoint.load_checkpoint",
        reference=f"torch {torch.__version__} distributed.checkpoint",
        error=max(abs(a - b) for a, b in zip(ours, theirs, strict=True)),
        tolerance=0.0,
        note=f"the {STEPS} losses after a resume",
    )


def test_gradients_over_ranks(parity, tmp_path):
    """Both sum over two ranks; DDP divides by their number, so we do as well, before comparing."""
    pytest.importorskip("resource", reason="fork")

    def compare() -> int:
        ranks = Ranks.join(60.0)
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(7 + ranks.rank))
        ours, theirs = fresh()[0], DistributedDataParallel(fresh()[0])
        for net in (ours, theirs):
            (net(x) - x[:, :3].sin()).square().mean().backward()
        alone = torch.cat([p.grad.flatten() for p in ours.parameters()])
        ranks.add_gradients(ours)
        a = torch.cat([p.grad.flatten() for p in ours.parameters()]) / ranks.size
        b = torch.cat([p.grad.flatten() for p in theirs.parameters()])
        assert (alone - a).abs().max() > 1e-3, "the other rank's gradient counts"
        if ranks.first:
            torch.save({"error": (a - b).abs().max()}, tmp_path / "error.pt")
        dist.barrier()
        ranks.leave()
        return 0

    children = fork_ranks(compare, 2, tmp_path)
    assert [child.wait() for child in children] == [0, 0], children[0].said
    parity(
        stem="pretraining",
        ours="pretraining.ranks.Ranks.add_gradients",
        reference=f"torch {torch.__version__} DistributedDataParallel",
        error=torch.load(tmp_path / "error.pt", weights_only=True)["error"].item(),
        tolerance=1e-7,
        note="gradients of two gloo ranks, float32",
    )
