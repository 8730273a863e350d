"""Personal data in text: found by pattern, believed only after a check, masked by a policy.

A pattern proposes, a check decides, and both answers carry a reason. The pipeline's default stays
`clean.mask_emails`; this module is for corpora where more is at stake.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from course_lib.data.privacy.recognisers import RECOGNISERS

POLICIES = ("tag", "hash", "pseudonym", "drop")
MIN_KEY = 16


@dataclass(frozen=True)
class Finding:
    """A stretch of text that looks like personal data, whether it was believed, and why."""

    kind: str
    start: int
    end: int
    text: str
    personal: bool
    reason: str


@dataclass(frozen=True)
class Protected:
    """A text after a policy: None where the document is dropped. `reason` counts what was found."""

    text: str | None
    found: tuple[Finding, ...]

    @property
    def reason(self) -> str:
        counts = Counter(finding.kind for finding in self.found)
        return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def examine(text: str, kinds: tuple[str, ...] = tuple(RECOGNISERS)) -> list[Finding]:
    """Every candidate in the order of the text, believed or not. Believed ones never overlap.

    Where two kinds claim the same characters, the one with the stronger check wins, in the order
    of `RECOGNISERS`: a checksum before a shape.
    """
    findings: list[Finding] = []
    taken = bytearray(len(text))  # 1 where a believed one stands: no list of them to go through
    for kind in kinds:
        if kind not in RECOGNISERS:
            raise ValueError(f"kind {kind!r} is not one of {', '.join(RECOGNISERS)}")
        for start, end, personal, reason in RECOGNISERS[kind](text):
            if taken.find(1, start, end) >= 0:
                continue
            if personal:
                taken[start:end] = b"\x01" * (end - start)
            findings.append(Finding(kind, start, end, text[start:end], personal, reason))
    return sorted(findings, key=lambda finding: (finding.start, finding.end))


def find(text: str, kinds: tuple[str, ...] = tuple(RECOGNISERS)) -> list[Finding]:
    """The candidates that were believed."""
    return [finding for finding in examine(text, kinds) if finding.personal]


def protect(
    text: str, policy: str = "tag", *, key: bytes = b"", kinds: tuple[str, ...] = tuple(RECOGNISERS)
) -> Protected:
    """Apply a policy to the personal data in a text.

    "drop"       the document goes, if it holds any.
    "tag"        `<email>`: what it was, not who. Nothing links two mentions of one person.
    "hash"       `<email:1f0c…>`: mentions of one value stay linked, by a keyed digest.
    "pseudonym"  another value of the same form, the same each time, and out of ranges that are
                 reserved for examples, so that it can belong to nobody.

    A digest without a key hides nothing: there are so few telephone numbers that all of them can be
    tried. So "hash" and "pseudonym" need a key of 16 bytes or more, kept apart from the corpus.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy {policy!r} is not one of {', '.join(POLICIES)}")
    if policy in ("hash", "pseudonym") and len(key) < MIN_KEY:
        raise ValueError(
            f"policy {policy!r} needs a secret key of at least {MIN_KEY} bytes, "
            f"got {len(key)}: without one a digest is undone by trying all values"
        )
    found = tuple(find(text, kinds))
    if policy == "drop":
        return Protected(None if found else text, found)
    return Protected("".join(_parts(text, found, policy, key)), found)


def _parts(text: str, found: tuple[Finding, ...], policy: str, key: bytes) -> Iterator[str]:
    at = 0
    for finding in found:
        yield text[at : finding.start]
        yield _instead(finding, policy, key)
        at = finding.end
    yield text[at:]


def _instead(finding: Finding, policy: str, key: bytes) -> str:
    if policy == "tag":
        return f"<{finding.kind}>"
    value = _normal(finding)
    digest = hmac.new(
        key, f"{finding.kind}:{value}".encode("utf-8", "surrogatepass"), hashlib.sha256
    ).digest()
    if policy == "hash":
        return f"<{finding.kind}:{digest[:6].hex()}>"
    return _pseudonym(finding.kind, digest)


def _normal(finding: Finding) -> str:
    """One spelling for each value: `+44 20 …` and `+4420…` are the same number."""
    if finding.kind in ("card", "phone", "iban"):
        return "".join(filter(str.isalnum, finding.text)).upper()
    return " ".join(finding.text.lower().split())


def _pseudonym(kind: str, digest: bytes) -> str:
    """A value of this kind that no person can have (RFC 2606, RFC 5737; no country has +999)."""
    code = digest[:4].hex()
    if kind == "email":
        return f"person-{code}@example.org"
    if kind == "ip":
        return f"192.0.2.{1 + digest[0] % 254}"
    if kind == "phone":
        return f"+999 {int.from_bytes(digest[:4], 'big') % 10**8:08d}"
    return f"<{kind}-{code}>"
