"""`make bench`: every script in benchmarks/, one after another (or those named)."""

import subprocess
import sys

from tools.sources import REPO


def main() -> int:
    folder = REPO / "benchmarks"
    scripts = sorted(p for p in folder.glob("*.py") if not p.name.startswith("_"))
    if named := sys.argv[1:]:
        scripts = [path for path in scripts if path.stem in named]
    if not scripts:
        print("no such benchmark" if named else f"no scripts in {folder}")
        return 1
    failed = 0
    for script in scripts:
        print(f"── {script.relative_to(REPO)}", flush=True)
        failed += bool(subprocess.run([sys.executable, str(script)], cwd=REPO).returncode)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
