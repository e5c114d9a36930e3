"""xrt: does robust training help my multilingual encoder, and with which settings?

For notebooks and scripts: `xrt.open("mini").trials`, `xrt.run("mini")`, `xrt.compare(["mini", "pawsx"])`.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xrt.study.notebook import compare_runs as compare
    from xrt.study.notebook import open_run as open
    from xrt.study.notebook import run_study as run

__all__ = ["compare", "open", "run"]

try:
    __version__ = version("xrt")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "unknown"


def __getattr__(name: str) -> Any:
    # Only when asked for: `import xrt` alone takes no time, and commands load what they need.
    if name not in __all__:
        raise AttributeError(f"module 'xrt' has no attribute {name!r}")
    from xrt.study import notebook

    return {"compare": notebook.compare_runs, "open": notebook.open_run, "run": notebook.run_study}[name]
