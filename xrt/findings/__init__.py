"""What a run means, computed once from its record: ranking, arms, configurations, confirmation, verdicts, the sentence.

Knows no screen, no page, no MLflow and no Ray. Report, tracking, search and the commands take what they say from here.
"""
