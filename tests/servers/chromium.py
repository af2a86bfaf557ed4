"""Chromium for browser tests: on PATH, else from the system's package manager."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find() -> str | None:
    """Path of an installed browser of the Chromium family, or None."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or (MAC if os.path.exists(MAC) else None)  # noqa: PTH110


def provide() -> str:
    """Path of a browser, installed now if the machine lets us. Raises RuntimeError with what to do otherwise."""
    found = find()
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "--yes", "install", "chromium"]):
            subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
        found = find()
    if found is None:
        raise RuntimeError(
            "Browser tests need Chromium on PATH: install it (apt-get install chromium), or run bin/test --quick."
        )
    return found


if __name__ == "__main__":
    try:
        print(provide())
    except RuntimeError as error:
        sys.exit(str(error))
