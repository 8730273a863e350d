"""What a decoder costs: parameters, FLOPs, bytes of cache and of activations, by one count for all.

`sizes` says in one set of numbers what a `ModelConfig`, or the report of a published model, says;
`formulas` and `activations` count from them, `peak_memory` counts a run, `published` holds reports.
"""
