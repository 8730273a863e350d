"""One small language model, from raw text to a served chat, every part from scratch and proven equal.

Start a notebook with ``from course_lib import runtime, lineage`` and ``runtime.start("stem/page")``.
"""
