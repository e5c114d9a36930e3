"""The report of a run: one page, as HTML and as Markdown, with its figures. A function of the findings."""
