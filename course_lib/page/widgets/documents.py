"""What the browser of documents on a page may hold: text with personal data masked before it."""

from collections.abc import Sequence

from course_lib.data.privacy.protect import protect
from course_lib.data.records import Record


def browsable(records: Sequence[Record], limit: int = 1200) -> list[dict]:
    """The data of `widget("documents", …)`: id, source, licence, bytes and masked text of each.

    Masking comes before cutting to `limit` characters: a cut through an address would leave half
    of it standing. What is left out here never reaches the page's source.
    Raises ValueError without records.
    """
    if not records:
        raise ValueError("records is empty: a browser needs a document to show")
    return [_shown(record, limit) for record in records]


def _shown(record: Record, limit: int) -> dict:
    text = protect(record.text).text or ""
    return {
        "id": record.id,
        "source": record.source,
        "licence": record.licence,
        "bytes": len(record.text.encode("utf-8", "replace")),
        "text": text if len(text) <= limit else text[:limit] + " […]",
    }
