"""`make release VERSION=1.2.0`: version, changelog, build, check, commit and tag. Nothing is pushed or uploaded.

The tests have run before (`make release` depends on `make check`). What fails leaves the checkout as it was.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANGED = ("setup.cfg", "CHANGELOG.md")
NOTHING_NEW = "CHANGELOG.md has nothing below `## Unreleased`."


class ReleaseError(Exception):
    """A reason why there is no release."""


def main() -> int:
    """Make the release that the command line names."""
    version = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        require_releasable(version)
        release(version)
    except ReleaseError as error:
        print(f"No release: {error}", file=sys.stderr)
        return 1
    print(f"{version} is committed, tagged and in dist/. To publish it:")
    print(f"    git push origin main v{version}\n    python -m twine upload dist/*{version}*")
    return 0


def require_releasable(version: str) -> None:
    """Raise ReleaseError unless the version is new and the checkout holds nothing else."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError("name a version of three numbers: make release VERSION=1.2.0")
    if git("status", "--porcelain"):
        raise ReleaseError("the checkout holds changes that are not committed.")
    if git("rev-parse", "--abbrev-ref", "HEAD") != "main":
        raise ReleaseError("a release is made on the branch main.")
    if git("tag", "--list", f"v{version}"):
        raise ReleaseError(f"there is a tag v{version} already.")
    dated((ROOT / "CHANGELOG.md").read_text(), version)


def release(version: str) -> None:
    """Write version and changelog, build and check, then commit and tag."""
    try:
        set_version(version)
        build(version)
        check(version)
    except (ReleaseError, OSError):
        git("checkout", "--", *CHANGED)
        raise
    git("commit", "--quiet", "--message", f"release: {version}", "--", *CHANGED)
    git("tag", "--annotate", f"v{version}", "--message", f"puq-backups {version}")


def set_version(version: str) -> None:
    """Write the version into setup.cfg and, with today's date, into the changelog."""
    config, log = ROOT / "setup.cfg", ROOT / "CHANGELOG.md"
    config.write_text(re.sub(r"(?m)^version = .*$", f"version = {version}", config.read_text(), count=1))
    log.write_text(dated(log.read_text(), version))


def dated(changelog: str, version: str) -> str:
    """Return the changelog with what is unreleased under the version. ReleaseError if there is nothing."""
    before, found, after = changelog.partition("## Unreleased\n")
    if not found or not after.partition("\n## ")[0].strip():
        raise ReleaseError(NOTHING_NEW)
    today = dt.datetime.now(tz=dt.UTC).date()
    return f"{before}## Unreleased\n\n## {version} - {today}\n{after}"


def build(version: str) -> None:
    """Build sdist and wheel into dist/, from what git knows alone."""
    for old in (ROOT / "dist").glob(f"puq_backups-{version}*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        for name in git("ls-files").splitlines():
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        run("-m", "build", "--no-isolation", "--outdir", str(ROOT / "dist"), folder)


def check(version: str) -> None:
    """Install wheel and sdist without an index, from a folder that holds what they need, and run a command."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = str(Path(folder, "shelf"))
        files = sorted((ROOT / "dist").glob(f"puq_backups-{version}*"))
        if len(files) != 2:  # noqa: PLR2004 - sdist and wheel
            raise ReleaseError(f"dist/ must hold an sdist and a wheel of {version}; it holds {files}.")
        run("-m", "pip", "--quiet", "wheel", "--wheel-dir", shelf, "setuptools", "wheel", "babel", str(files[0]))
        python = str(Path(folder, "venv", "bin", "python"))
        run("-m", "venv", "--without-pip", str(Path(folder, "venv")))
        pip = ("-m", "pip", "--quiet", "--python", python)
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": shelf}
        for file in sorted(files, reverse=True):
            run(*pip, "install", "--no-compile", str(file), **offline)
            run("-m", "flask", "backups", "keys", "new", python=python)
            run(*pip, "uninstall", "--yes", "puq-backups")


def run(*words: str, python: str = sys.executable, **env: str) -> None:
    """Run Python with these arguments outside the checkout. ReleaseError with the output where it fails."""
    ran = subprocess.run(
        [python, *words], cwd=tempfile.gettempdir(), env={**os.environ, **env}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if ran.returncode:
        raise ReleaseError(f"{' '.join(words)} failed:\n{ran.stdout}{ran.stderr}")


def git(*words: str) -> str:
    """Run git in the checkout and return its output. ReleaseError where it fails."""
    ran = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ReleaseError(f"git {' '.join(words)}: {ran.stderr.strip()}")
    return ran.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
