"""The adviser for a run that doesn't fit: which remedy, and with how many bytes.

Remedies are tried in the order of what they cost you. A smaller batch with accumulation changes
nothing but speed. Recomputing layers takes a third more compute. Sharding takes more devices. LoRA
trains another, smaller thing. A shorter row is another task. Each is added to those before it,
until the step fits; a batch goes back up to the largest that then fits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from course_lib.architecture.accounting.activations import activation_bytes
from course_lib.architecture.accounting.formulas import (
    attention_matrices,
    count_parameters,
    mlp_matrices,
)
from course_lib.architecture.accounting.sizes import Sizes

MIXED = {"weights": 2, "gradients": 2, "states": 12}  # bf16, bf16; fp32 master and two moments
LOGIT_BYTES = 4 + 4 + 2  # fp32 log-probabilities and their gradient, bf16 gradient of the logits
LORA_RANK = 16
SHORTEST = 128  # tokens in a row: below it no remedy is tried


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How the step is run. `shards`: devices that share weights, gradients and states."""

    batch: int
    seq: int
    recompute: bool = False
    chunked: bool = True
    shards: int = 1
    lora: bool = False

    def __post_init__(self) -> None:
        for name in ("batch", "seq", "shards"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes on one device, by part."""

    weights: int
    gradients: int
    states: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All parts: they are counted as if all were there at once, which is a little too many."""
        return self.weights + self.gradients + self.states + self.activations + self.logits


def need(s: Sizes, at: Setting) -> Need:
    """Bytes on one device for a step of mixed-precision AdamW with a fused attention kernel.

    16 bytes a weight: bf16 weight and gradient, fp32 master weight and two moments (Rajbhandari et
    al. 2020, section 3.1), all divided by `shards` (their stage 3; what is gathered for one layer
    at a time is added). LoRA: 2 bytes a frozen weight, 16 an adapter weight.
    """
    n = count_parameters(s).total
    a_layer = 0 if at.shards == 1 else 2 * 2 * (n // s.n_layers)  # this layer's and the next one's
    if at.lora:
        adapters = _adapter_weights(s)
        held = {"weights": 2 * n + 2 * adapters, "gradients": 2 * adapters, "states": 12 * adapters}
    else:
        held = {name: size * n for name, size in MIXED.items()}
    tokens = at.batch * at.seq
    kept = activation_bytes(s, at.seq, at.batch, 2, fused=True)
    activations = kept.total
    if at.recompute:  # each layer's input, and one layer made again
        activations = 2 * tokens * s.n_layers * s.d_model + kept.layer + kept.end
    parts = {name: -(-size // at.shards) for name, size in held.items()}
    parts["weights"] += a_layer
    logits = 0 if at.chunked else LOGIT_BYTES * tokens * s.vocab_size
    return Need(**parts, activations=activations, logits=logits)


def _adapter_weights(s: Sizes) -> int:
    """Rank-16 adapters on all matrices of all layers but routers: rank × (inputs + outputs) each.

    Every expert, shared or not, has adapters of its own.
    """
    attention, mlp, expert = (
        LORA_RANK * sum(inputs + outputs for inputs, outputs in matrices)
        for matrices in (
            attention_matrices(s),
            mlp_matrices(s, s.d_ff),
            mlp_matrices(s, s.d_expert),
        )
    )
    experts = (s.n_experts + s.shared_experts) * expert
    return s.n_layers * attention + s.plain_layers * mlp + s.expert_layers * experts


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One remedy, on top of those before it: the setting, its bytes, and whether it fits."""

    remedy: str
    setting: Setting
    need: Need
    fits: bool
    why: str


def advise(
    s: Sizes, memory: float, wanted: Setting, *, devices: int = 8, reserve: float = 0.1
) -> list[Rung]:
    """The ladder of remedies down to the first that fits a device of ``memory`` bytes.

    The last rung is the advice; if it doesn't fit either, nothing here helps. ``reserve`` is the
    share left to the allocator, the driver and what the formula leaves out.
    """
    if not (memory > 0 and 0 <= reserve < 1 and devices >= 1):
        raise ValueError(
            f"memory={memory}, reserve={reserve}, devices={devices}: expected bytes above 0, a "
            "share from 0 up to 1, and at least one device"
        )
    room = memory * (1 - reserve)
    ladder: list[Rung] = []
    for remedy, setting, why in _ladder(s, wanted, devices, room):
        found = need(s, setting)
        ladder.append(
            Rung(remedy=remedy, setting=setting, need=found, fits=found.total <= room, why=why)
        )
        if ladder[-1].fits:
            break
    return ladder


def _ladder(
    s: Sizes, wanted: Setting, devices: int, room: float
) -> Iterator[tuple[str, Setting, str]]:
    """The remedies in their order, each with the largest batch that fits (1 where none does)."""
    yield "as asked", wanted, "nothing is given up"
    small = _largest_batch(s, wanted, room)
    yield "batch", small, "accumulate to the batch you wanted: the same result, a little slower"
    again = replace(wanted, recompute=True)
    yield "checkpointing", _largest_batch(s, again, room), "each layer twice: a third more compute"
    if devices > 1:
        shared = _fewest_shards(s, again, devices, room)
        yield "sharding", shared, "devices gather a layer at a time over their network"
    lora = replace(again, lora=True)
    shared = _fewest_shards(s, lora, devices, room)
    yield "LoRA", shared, f"trains adapters of rank {LORA_RANK}: for fine-tuning, not pretraining"
    short = replace(shared, batch=1)
    while short.seq > SHORTEST and need(s, short).total > room:
        short = replace(short, seq=short.seq // 2)
    yield "length", short, "shorter rows: the model sees less context"


def _fewest_shards(s: Sizes, at: Setting, devices: int, room: float) -> Setting:
    """On 1, 2, 4, … up to ``devices``: the first that fits, else all of them."""
    shards = at.shards
    while True:
        found = _largest_batch(s, replace(at, shards=shards), room)
        if need(s, found).total <= room or shards >= devices:
            return found
        shards = min(2 * shards, devices)


def _largest_batch(s: Sizes, at: Setting, room: float) -> Setting:
    """The largest batch up to the wanted one that fits; 1 where none does. Bytes are linear."""
    one, two = (need(s, replace(at, batch=b)).total for b in (1, 2))
    most = int((room - one) // (two - one)) + 1
    return replace(at, batch=max(1, min(at.batch, most)))
