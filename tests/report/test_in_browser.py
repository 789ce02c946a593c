"""The page in a real browser: it asks for nothing, and what others have written runs nowhere. Skipped without one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from report_scene import Scene, samples

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
TAKEN = (
    "<script>document.title='taken'; fetch('http://example.org/a')</script>"
    "<img src='http://example.org/b' onerror=\"document.title='taken'\"></svg></pre></details></style>"
    "<link rel=stylesheet href='http://example.org/c'><iframe src='http://example.org/d'></iframe>"
)


def opened(page: Path, folder: Path) -> tuple[str, set[str]]:
    """What a browser makes of a page, and what it requests meanwhile."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    log = folder / "net.json"
    own = (f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--virtual-time-budget=2000", "--dump-dom")
    command = [browser, *QUIET, *own, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    events = json.loads(log.read_text())["events"]
    asked = {event["params"]["url"] for event in events if "url" in event.get("params", {})}
    return done.stdout, asked


@pytest.mark.long
def test_a_page_requests_nothing_and_runs_nothing(project: Path, tmp_path: Path) -> None:
    scene = Scene(project)
    rows = [{"messages": [{"role": "user", "content": TAKEN}, {"role": "assistant", "content": TAKEN}]}]
    model = scene.model("train", scene.dataset("prepare", rows), losses=[2, 1])
    for arm, other in (("base", scene.model("base_model", None)), ("trained", model)):
        answers = samples(4, 0.5)
        for answer in answers:
            answer |= {"input": TAKEN, "output": TAKEN}
        scene.evaluation(f"evaluate_{arm}", other, {"open": answers}, f"{arm}_results")
    page = tmp_path / "report.html"
    page.write_text(scene.page(charts=True).replace("<details>", "<details open>"))
    dom, asked = opened(page, tmp_path)
    assert "<title>organism" in dom
    assert dom.count("&lt;script&gt;document.title=") >= 4
    assert [url for url in asked if "example.org" in url] == []
    control = tmp_path / "control.html"  # were it not inert, it would be seen
    control.write_text(f"<title>organism</title>{TAKEN}")
    dom, asked = opened(control, tmp_path)
    assert "<title>taken" in dom
    assert [url for url in asked if "example.org" in url] != []
