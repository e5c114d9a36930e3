"""The commands: `python -m xrt.study run mini`. Every command joins parts of the other folders.

Exit codes: 0 done; 1 the run ended without a finished trial; 2 bad input; 130 interrupted, can be resumed.
"""

import errno
import os
import sys
import traceback

from xrt.errors import XrtError
from xrt.study import machines, making, reading, sharing, tidying
from xrt.study.app import app, err

__all__ = ["app", "machines", "main", "making", "reading", "sharing", "tidying"]

# A folder of somebody else's, or of a disk that cannot be written to.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
# A study waits for space on a full disk; every other command fails at once.
FULL = (errno.ENOSPC, errno.EDQUOT)
# The libraries' own output is not needed: the record has what it would say.
QUIET = {"TRANSFORMERS_VERBOSITY": "error"}
NO_BARS = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # of downloads, where nobody sees them move


def main() -> None:
    """Run a command; a user's mistake becomes a few lines and exit code 2."""
    for name, value in (QUIET | ({} if sys.stderr.isatty() else NO_BARS)).items():
        os.environ.setdefault(name, value)
    # A shell completes by the first word of a line, so completion names the installed script `xrt`.
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
        if error.errno in FULL:
            _print(
                f"{error.filename or 'output'}: {error.strerror}; free some space, then repeat the command.",
                "red",
            )
            sys.exit(1)
        if error.errno not in REFUSED:
            _print(traceback.format_exc())
            sys.exit(1)
        _print(
            f"{error.filename}: {error.strerror}; its owner has to open it. If it belongs to the results, "
            "--results FOLDER names a folder of your own.",
            "red",
        )
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
