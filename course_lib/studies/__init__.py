"""Recorded experiments, and the longer runs of pages.

`<stem>/<name>.py` makes results/<stem>/<name>.json.

The top floor: a study may import everything, and nothing imports a study but pages, other studies
and the command line, which finds it by its name (see `course_lib.experiments`).
"""
