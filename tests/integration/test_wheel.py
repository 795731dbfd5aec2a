"""The package as it is installed elsewhere: one wheel, with all it needs inside, run from outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from config.menu_loader import load_menus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return next(out.glob("*.whl"))


def test_everything_needed_is_inside(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        "callcenter/migrations/env.py",
        "callcenter/migrations/versions/0001_first.py",
        "config/policies/longsheng.yaml",
        "config/menus/main.yaml",
        "config/asterisk/extensions.conf",
        "config/kannel/kannel.conf",
        "config/texts/zh-CN/sms.yaml",
        "recordings/demo_model/graph/HCLG.fst",
        *(f"ivr/prompts/made/{name}.wav" for name in load_menus().prompts),
    }
    assert wanted - names == set()
    assert not [name for name in names if name.startswith("tests/") or "/__pycache__/" in name]


def test_it_runs_where_there_is_no_checkout(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    script = (
        "import callcenter, runpy, sys; assert 'installed' in callcenter.__file__, callcenter.__file__;"
        "sys.argv = ['callcenter', 'check-config']; runpy.run_module('callcenter', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "configuration is right" in done.stdout
