"""Raw text to training batches: sources, cleaning, deduplication, tokenizer, packing.

Pages and their code:
    world: course_lib.world
Shared:
    recipe: the artifacts `corpus` and `tokenizer`
    records: one document of any source, with where it comes from
"""

from course_lib.data.mixing.packing import Packed, batch, pack
from course_lib.data.tokenization.chat import (
    CHAT_TEMPLATE,
    SPECIAL_TOKENS,
    ChatFormat,
    prompt_ids,
    reply_ids,
)
from course_lib.data.tokenization.tokenizer import Tokenizer, train_bpe

__all__ = [
    "CHAT_TEMPLATE",
    "SPECIAL_TOKENS",
    "ChatFormat",
    "Packed",
    "Tokenizer",
    "batch",
    "pack",
    "prompt_ids",
    "reply_ids",
    "train_bpe",
]
