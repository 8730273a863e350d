"""The map in the README, drawn from the code: book/_assets/map.svg.

python -m tools.draw_map           write it
python -m tools.draw_map --check   fail where it has drifted from the code
"""

import argparse
import sys
from pathlib import Path

from course_lib import lineage
from course_lib.page import atlas, svg

REPO = Path(__file__).resolve().parent.parent
MAP = REPO / "book" / "_assets" / "map.svg"


def picture() -> str:
    drawn = atlas.lineage_svg(atlas.stages(lineage.recipes()), atlas.readers(REPO / "book"))
    return svg.standalone(drawn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, report drift")
    check = parser.parse_args().check
    if not check:
        MAP.write_text(picture(), encoding="utf-8")
    elif not MAP.is_file() or MAP.read_text(encoding="utf-8") != picture():
        print(f"{MAP.relative_to(REPO)} has drifted: run python -m tools.draw_map")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
