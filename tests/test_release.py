"""`make release` without the tests before it: in a clone, so that nothing of this checkout changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import services
from support.services import ROOT

NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError", "Connection refused")
AS_SOMEBODY = ("-c", "user.name=R. Elease", "-c", "user.email=r@example.org")


def git(folder: Path, *words: str) -> str:
    ran = subprocess.run(
        [str(shutil.which("git")), *AS_SOMEBODY, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the files of this checkout, as they are now, on main."""
    folder = tmp_path / "clone"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "*.mo"
    )
    shutil.copytree(ROOT, folder, ignore=ignored)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "user.name", "R. Elease")
    git(folder, "config", "user.email", "r@example.org")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def release(folder: Path, version: str) -> tuple[int, str]:
    command = [sys.executable, str(folder / "tools" / "release.py"), version]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    if ran.returncode and any(sign in said for sign in NO_NETWORK):
        services.left_out["release"] = "the package registry cannot be reached, so none was built"
        pytest.skip(services.left_out["release"])
    return ran.returncode, said


@pytest.mark.slow
def test_release_is_built_installs_without_an_index_and_is_tagged(clone: Path) -> None:
    code, said = release(clone, "7.8.9")

    assert code == 0, said
    assert sorted(path.name for path in (clone / "dist").iterdir()) == [
        "puq_backups-7.8.9-py3-none-any.whl", "puq_backups-7.8.9.tar.gz"
    ]  # fmt: skip
    assert git(clone, "tag", "--points-at", "HEAD") == "v7.8.9"
    assert git(clone, "status", "--porcelain") == ""
    assert "version = 7.8.9\n" in (clone / "setup.cfg").read_text()
    assert "## Unreleased\n\n## 7.8.9 - 20" in (clone / "CHANGELOG.md").read_text()
    assert release(clone, "7.8.9") == (1, "No release: there is a tag v7.8.9 already.\n")
    assert release(clone, "7.9.0")[1].startswith("No release: CHANGELOG.md has nothing below")


@pytest.mark.flow
def test_release_of_an_unclean_checkout_is_refused(clone: Path) -> None:
    assert release(clone, "soon")[0] == 1
    (clone / "setup.cfg").write_text("[metadata]\n")

    assert release(clone, "7.8.9") == (1, "No release: the checkout holds changes that are not committed.\n")
    git(clone, "checkout", "--quiet", "--", "setup.cfg")
    git(clone, "checkout", "--quiet", "-b", "other")
    assert release(clone, "7.8.9") == (1, "No release: a release is made on the branch main.\n")


@pytest.mark.slow
def test_build_that_fails_leaves_the_checkout_as_it_was(clone: Path) -> None:
    (clone / "setup.py").write_text("raise SystemExit('broken')\n")
    git(clone, "commit", "--quiet", "--all", "--message", "break the build")

    code, said = release(clone, "7.8.9")

    assert (code, "broken" in said) == (1, True)
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "tag") == ""
