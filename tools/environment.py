"""environment.yml, made from pyproject.toml.

    python -m tools.environment            write it
    python -m tools.environment --check    fail where it has drifted from pyproject.toml

conda itself isn't needed: py-rattler parses each conda spec and packaging each pip one.
"""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from rattler import MatchSpec

REPO = Path(__file__).resolve().parent.parent
TARGET = REPO / "environment.yml"
HEADER = "# Made from pyproject.toml by `make env`; edit that file instead.\n"
EXTRAS = [part for extra in ("book", "peers", "grade", "dev") for part in ("-e", extra)]
COMMAND = ["yaml", "-n", "llm-course", *EXTRAS, "--python-include", "infer"]


def render() -> str:
    """What environment.yml should say."""
    tool = Path(sys.executable).with_name("pyproject2conda")
    done = subprocess.run(
        [str(tool), *COMMAND, "--no-header", "-r", "--editable ."],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"pyproject2conda failed:\n{done.stderr}")
    return HEADER + done.stdout.strip() + "\n"


def problems(text: str) -> list[str]:
    """Specs that conda or pip could not read, and conda spellings that differ from ours."""
    found = []
    dependencies = yaml.safe_load(text)["dependencies"]
    conda = [line for line in dependencies if isinstance(line, str)]
    pip = next(line["pip"] for line in dependencies if isinstance(line, dict))
    for line in conda:
        try:
            MatchSpec(line)
        except Exception as error:  # rattler raises its own kinds; the spec is what matters here
            found.append(f"conda can't read {line!r}: {error}")
    for line in pip:
        if not line.startswith("--editable"):
            Requirement(line)
    return found + _renamed_apart()


def _renamed_apart() -> list[str]:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    lines = list(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        lines += extra
    ours = {Requirement(line).name: Requirement(line).specifier for line in lines}
    found = []
    for name, entry in project["tool"]["pyproject2conda"]["dependencies"].items():
        if name not in ours:
            found.append(
                f"[tool.pyproject2conda.dependencies] names {name}, no longer a dependency"
            )
        elif "packages" in entry and Requirement(entry["packages"]).specifier != ours[name]:
            found.append(f"{entry['packages']} should say {ours[name]}, like {name}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    text = render()
    wrong = problems(text)
    if arguments.check and (not TARGET.exists() or TARGET.read_text() != text):
        wrong.append("environment.yml has drifted from pyproject.toml; mend it with: make env")
    if not arguments.check:
        TARGET.write_text(text)
    print("\n".join(wrong) if wrong else f"environment.yml: {len(text.splitlines())} lines, sound")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
