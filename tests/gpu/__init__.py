"""The acceptance run for a machine with a GPU: `python -m tests.gpu`. What to expect: README.md beside this."""
