"""The commands: `python -m xrt.study run mini`. Every command does one thing that other floors know how to do.

Exit codes: 0 done; 1 the run ended without a finished trial; 2 bad input; 130 interrupted, can be resumed.
"""

import errno
import os
import sys
import traceback

from xrt.errors import XrtError
from xrt.study import making, reading, sharing
from xrt.study.app import app, err

__all__ = ["app", "main", "making", "reading", "sharing"]

# A folder of somebody else's, or of a disk that cannot be written to.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
# What the libraries would print, the record has.
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def main() -> None:
    """Run a command; a user's mistake becomes a few lines and exit code 2."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # a shell completes by the first word of a line, so there it is the installed script, however it was asked for
    completing = any(word.endswith("-completion") for word in sys.argv[1:2])
    try:
        app(prog_name="xrt" if completing else None)
    except XrtError as error:
        for problem in error.problems:
            _print(problem, style="red")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(130)
    except OSError as error:
        if error.errno not in REFUSED:
            _print(traceback.format_exc())
            sys.exit(1)
        _print(f"{error.filename}: {error.strerror}. --results FOLDER names a folder of your own.", "red")
        sys.exit(2)
    except Exception:  # a mistake of ours; its texts may hold what only the environment should
        _print(traceback.format_exc())
        sys.exit(1)


def _print(text: str, style: str | None = None) -> None:
    """To standard error, without secrets."""
    from xrt.record.environment import redact

    err.print(redact(text), style=style, soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
