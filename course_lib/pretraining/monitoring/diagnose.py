"""From measurements to the name of a fault, with the evidence.

Each rule compares one measurement with a threshold. Measurements that weren't taken are None, and
then the tool can only say which faults it suspects.
"""

from dataclasses import dataclass

from course_lib.pretraining.monitoring.broken import HEALTHY
from course_lib.pretraining.monitoring.symptoms import Symptoms


@dataclass(frozen=True)
class Finding:
    """A fault and the measurement that speaks for it."""

    fault: str
    evidence: str


@dataclass(frozen=True)
class Verdict:
    """All findings, the decisive one first; or, where none is decisive, faults to suspect."""

    findings: tuple[Finding, ...]
    suspects: tuple[Finding, ...] = ()

    @property
    def fault(self) -> str:
        """The name of the fault; "healthy" without finding and suspect, "unsure" with suspects."""
        if self.findings:
            return self.findings[0].fault
        return "unsure" if self.suspects else HEALTHY


# fault, measurement, from which side it is a fault, threshold, what to say. In the order in which
# one fault explains another: what the model reads, how it computes, how it moves, how it is used.
RULES = (
    ("leaked labels", "target_is_input", "above", 0.5, "{:.0%} of the targets are the input token"),
    ("no mask", "sees_future", "above", 1e-3, "a later token moves earlier logits by {:.2g}"),
    ("wrong tokenizer", "recovered", "below", 0.9, "{:.0%} of the documents come back"),
    ("repeated data", "epochs", "above", 4.0, "each row was seen {:.0f} times"),
    ("fp16 without scaling", "grad_zeros", "above", 0.1, "{:.0%} of a matrix's gradient is zero"),
    ("rate too high", "largest_ratio", "above", 0.06, "a step moves the weights by {:.0%}"),
    ("no warm-up", "first_ratio", "above", 1.0, "the first step is {:.1f} times any later one"),
    ("decay on norms", "largest_gain", "below", 0.8, "the largest gain of a norm is {:.2f}"),
    ("dead layer", "dead_layers", "above", 0, "{} layer(s) without any gradient"),
    ("stale cache", "cache_error", "above", 1e-2, "logits with the cache are off by {:.2g}"),
)


def diagnose(symptoms: Symptoms) -> Verdict:
    """Every rule whose measurement was taken and lies beyond its threshold, else suspicions."""
    findings = []
    for fault, name, side, threshold, words in RULES:
        value = getattr(symptoms, name)
        if value is None:
            continue
        value = len(value) if isinstance(value, tuple) else value
        # "not within", so that a NaN counts as beyond
        within = value <= threshold if side == "above" else value >= threshold
        if not within:
            findings.append(Finding(fault, words.format(value)))
    return Verdict(tuple(findings), () if findings else tuple(_suspicions(symptoms)))


def _suspicions(s: Symptoms) -> list[Finding]:
    """What curves alone allow to say, where the measurement that would decide wasn't taken."""
    found: list[Finding] = []
    gap = s.held_out - s.last_loss

    def suspect(fault: str, decided_by: str, evidence: str) -> None:
        if getattr(s, decided_by) is None:
            found.append(Finding(fault, evidence))

    if s.last_loss < 0.95 * s.floor and gap < 0.5:
        evidence = f"the loss {s.last_loss:.2f} is below the floor {s.floor:.2f}, held out too"
        suspect("leaked labels", "target_is_input", evidence)
        suspect("no mask", "sees_future", evidence)
    if gap >= 0.5:
        evidence = f"held-out text costs {gap:.1f} nats a token more than training text"
        suspect("repeated data", "epochs", evidence)
        suspect("wrong tokenizer", "recovered", evidence)
    if s.last_loss > 4 * s.floor:
        evidence = f"the loss stays at {s.last_loss:.1f}"
        suspect("fp16 without scaling", "grad_zeros", evidence)
        suspect("rate too high", "largest_ratio", evidence)
    return found
