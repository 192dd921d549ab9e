"""A headless browser for pages, where there is one."""

import shutil
import subprocess
from pathlib import Path

import pytest


def open_page(page: Path, profile: Path, *options: str) -> str:
    """What a headless browser prints about the page; skips where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on PATH, so the page cannot be opened here")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += ["--virtual-time-budget=1500", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def play(page: Path, profile: Path, reader: str) -> str:
    """The opening tag of the page after ``reader``, a script at its end, has played its part."""
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"<script>{reader}</script></body>"), encoding="utf-8")
    return open_page(page, profile, "--dump-dom").partition("<head>")[0]
