"""The command line: `python -m xrt.study`. It joins search, findings, report and tracking."""
