"""Finds and removes secrets in texts, so that no record contains one.

Addresses are parsed, not matched; if a part is ambiguous, user and query are removed whole. Environment variables are
read only to find their values in other texts.
"""

import os
import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "***"
SECRET = (
    r"(?:token(?!s|iz|_id)|secret|passw|passphrase|(?<![a-z])pass(?![a-z])|pwd|credential|(?<![a-z])auth(?![a-z])"
    r"|(?<![a-z])sig(?:nature)?(?![a-z])|access[-_]?signature|(?:api|access|account|private)[-_]?key)"
)
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE", re.IGNORECASE)
VALUE = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s&;,]+)"""
# --token VALUE, --hub-token=VALUE
OPTION = re.compile(rf"(?i)(?<!\S)(--?[\w.-]*{SECRET}[\w.-]*(?:=|\s+))({VALUE})")
# password=VALUE, "api_key": VALUE, ('password', VALUE), ?token=VALUE
ASSIGNED = re.compile(
    rf"""(?i)(?<![\w.-])([\w.-]*{SECRET}[\w-]*(?:["']?\s*(?:=|:(?!//))|["']\s*,)\s*)({VALUE})"""
)
HEADER = re.compile(r"(?i)\b((?:(?:proxy-)?authorization|(?:set-)?cookie)[\"']?\s*[:=]\s*[\"']?)[^\r\n\"']+")
BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s\"',;]+")
# Tokens of the hub, GitHub, AWS and others, by their prefixes; web tokens; keys in PEM.
KNOWN = re.compile(
    r"\b(?:hf_|gh[pousr]_|github_pat_|AKIA|ASIA|glpat-|dapi|sk-|xox[a-z]-|AIza|npm_|pypi-)[A-Za-z0-9_-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|(?s:(?<=PRIVATE KEY-----).*?(?=-----END|\Z))"
)
# USER:PASSWORD@HOST without a scheme
BARE = re.compile(r"(?<![\w.%+-])([\w.%+-]+:)[^\s@/]+(?=@[\w\[])")
SCHEME = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://")
# Query fields that are kept: where results are, how an SQLite file is opened.
HARMLESS = {"endpoint_override", "scheme", "region", "mode", "host", "port"}

_seen: set[str] = set()  # values of secret variables


def redact(text: str) -> str:
    """Hides user, password and query of addresses, the values of options and settings with secret names, headers, texts
    that look like tokens, and the values of environment variables with secret names (from 8 characters on, because
    shorter ones are words).
    """
    note_secrets()
    for value in sorted(_seen, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = BARE.sub(rf"\g<1>{HIDDEN}", _addresses(text))
    text = HEADER.sub(rf"\g<1>{HIDDEN}", text)
    text = BEARER.sub(rf"\g<1>{HIDDEN}", text)
    for named in (OPTION, ASSIGNED):
        text = named.sub(rf"\g<1>{HIDDEN}", text)
    return KNOWN.sub(HIDDEN, text)


def note_secrets() -> None:
    """Remember the values of secret variables until this process ends."""
    _seen.update(value for name, value in os.environ.items() if SECRET_NAME.search(name) and len(value) >= 8)


def redact_words(words: Iterable[str]) -> list[str]:
    """Redact the words of a command one by one, so that quoted words stay whole."""
    hidden, secret = [], False
    for word in words:
        is_option = word.startswith("-")
        hidden.append(HIDDEN if secret and not is_option else _one(word))
        secret = is_option and "=" not in word and re.search(f"(?i){SECRET}", word) is not None
    return hidden


def redacted(value: Any) -> Any:
    """The same value with every string in it redacted, at any depth."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def _one(word: str) -> str:
    """Redact a word that may contain blanks; an address or a secret's value is hidden up to its end."""
    name, sign, _ = word.partition("=")
    if sign and re.search(f"(?i){SECRET}", name) and not SCHEME.search(name):
        return f"{name}={HIDDEN}"
    if found := SCHEME.search(word):
        return redact(word[: found.start()] + _address(word[found.start() :]))
    return redact(word)


def _addresses(text: str) -> str:
    """Redact each address of a text, up to the next blank, or further if a bad port shows a password with blanks."""
    done, position = "", 0
    while found := SCHEME.search(text, position):
        end = _end(text, found.end())
        done += text[position : found.start()] + _address(text[found.start() : end])
        position = end
    return done + text[position:]


def _end(text: str, start: int) -> int:
    """The end of the address that continues at `start`."""
    line = re.compile(r"[^\r\n]*").match(text, start)
    blank = re.compile(r"\S*").match(text, start)
    assert line and blank
    _, colon, port = blank[0].rpartition("@")[2].partition(":")
    doubtful = "@" not in blank[0] and colon and not re.match(r"\d{1,5}\b|/", port)
    if doubtful and not blank[0].startswith("[") and "@" in line[0]:
        last = re.compile(r"\S*").match(text, start + line[0].rindex("@"))
        assert last
        return last.end()
    return blank.end()


def _address(address: str) -> str:
    """One address without user, password, query and fragment, except harmless ones."""
    scheme, _, rest = address.partition("://")
    before, at, after = rest.rpartition("@")
    # A user name has no slash, but a password after a colon may contain anything.
    if at and (":" in before.split("/")[0] or not re.search(r"[/?#]", before)):
        rest = f"{HIDDEN}@{after}"
    elif re.match(r"[^/?#@\[]*:(?!\d{1,5}(?!\d)|/|$)", rest):
        rest = HIDDEN  # not a port, so a password
    return f"{scheme}://{_without_query(rest)}"


def _without_query(rest: str) -> str:
    cut = re.search(r"\?|#(?!/[^=?]*$)", rest)  # a page within a page, as in MLflow, has no secret
    if cut is None:
        return rest
    names = {part.partition("=")[0].lower() for part in re.split(r"[&;]", rest[cut.end() :])}
    return rest if cut[0] == "?" and names <= HARMLESS else f"{rest[: cut.end()]}{HIDDEN}"
