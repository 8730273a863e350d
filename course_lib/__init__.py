"""One small language model, from raw text to a served chat, every part proven equal.

Start a notebook with ``from course_lib import runtime`` and ``runtime.start("stem/page")``.
"""
