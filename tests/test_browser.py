"""The browser of the tests is installed by one process at a time: apt-get fails where another is at work."""

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor, wait

from tests import browser


def test_who_needs_the_browser_waits_for_who_installs_packages(tmp_path, monkeypatch):
    installed = []
    monkeypatch.setattr(browser, "PACKAGE_LISTS", tmp_path)
    monkeypatch.setattr(browser, "find_program", lambda: "chromium" if installed else None)
    monkeypatch.setattr(browser, "_install_program", lambda: installed.append("chromium"))
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(browser._program) for _ in range(2)]
        try:
            assert not wait(asked, timeout=0.5).done and installed == []
        finally:
            os.close(other)
        assert [one.result(timeout=10) for one in asked] == ["chromium"] * 2
    assert installed == ["chromium"]
