"""Instant checks of the sft chapter's exercises."""

from course_lib.checks.sft._broken_collator import broken_collator
from course_lib.checks.sft._chat_template import chat_template
from course_lib.checks.sft._lora_memory import lora_memory
from course_lib.checks.sft._lora_merge import lora_merge
from course_lib.checks.sft._loss_mask import loss_mask

__all__ = ["broken_collator", "chat_template", "lora_memory", "lora_merge", "loss_mask"]
