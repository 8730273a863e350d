"""Raw text to training batches: sources, cleaning, deduplication, tokenizer, packing."""

from course_lib.data.chat import CHAT_TEMPLATE, SPECIAL_TOKENS, ChatFormat, prompt_ids, reply_ids
from course_lib.data.packing import Packed, batch, pack
from course_lib.data.tokenizer import Tokenizer, train_bpe

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
