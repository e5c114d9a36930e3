"""The docs as a site: `python -m tools.site FOLDER`. The pages are those of the repository, at the same places.

Zensical takes one folder of pages, and ours link to files all over the repository (a study, a script, a module). So
every tracked file is copied, and each link leads to what it leads to in the checkout.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build(site: Path, root: Path = ROOT) -> None:
    """Write the site into a folder, which is replaced.

    Raises:
        CalledProcessError: a link of a page leads nowhere, or a page cannot be built; Zensical has said why.
    """
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    with tempfile.TemporaryDirectory() as work:
        for name in filter(None, names):
            if (root / name).is_file():
                place = Path(work, name if name == "mkdocs.yml" else f"pages/{name}")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name, place)
        words = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
        subprocess.run(words, cwd=work, check=True)
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(Path(work, "site"), site)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
