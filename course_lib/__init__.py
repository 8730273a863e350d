"""The code of the course: one small language model, from raw text to a served chat."""
