"""No secret gets into a record, however it is written; other text stays."""

import shlex
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrt.record import environment, redaction
from xrt.record.redaction import redact, redacted


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("run --tracking-uri http://me:pass@host:5000", "run --tracking-uri http://***@host:5000"),
        ("export --hub-token=abc --k 3", "export --hub-token=*** --k 3"),
        ("export --password abc --k 3", "export --password *** --k 3"),
        ("401 for hf_1234567890 at url", "401 for *** at url"),
        ("no access with hf_abcdefghijklmnopqrstuvwx here", "no access with *** here"),
        ("hf_hub and sk-learn and AKIA", "hf_hub and sk-learn and AKIA"),
        ("run pawsx --set search.trials=6", "run pawsx --set search.trials=6"),
        ("mail me@host about http://host/a", "mail me@host about http://host/a"),
        ("short stays short", "short stays short"),
        ("postgresql://h/db?user=u&password=P", "postgresql://h/db?***"),
        ("http://u:p@ss@h/x", "http://***@h/x"),
        ("postgresql://u:a/b?c#d@h/db", "postgresql://***@h/db"),
        ("postgresql://u:a 'b@h/db is away", "postgresql://***@h/db is away"),
        ("https://abcdef@h", "https://***@h"),
        ("http://u:secret", "http://***"),
        ("authorization: Bearer abc.def", "authorization: ***"),
        ("{'Authorization': 'Basic dTpw'}", "{'Authorization': '***'}"),
        ("a Bearer abc.def for it", "a Bearer *** for it"),
        ("GET /models?token=abc&k=3", "GET /models?token=***&k=3"),
        ("http://h:5000/a?k=3&sig=abc failed", "http://h:5000/a?*** failed"),
        ("host=h user=u password='a \\' b' dbname=d", "host=h user=u password=*** dbname=d"),
        ('{"api_key": "abc", "k": 3}', '{"api_key": ***, "k": 3}'),
        ("s3://AKID:abc/d@bucket/p", "s3://***@bucket/p"),
        ("mysql+pymysql://u:abc@h/db?ssl_ca=/x", "mysql+pymysql://***@h/db?***"),
        ("redis://:abc@h:6379/0", "redis://***@h:6379/0"),
        ("cannot reach u:abc@h:5432/db", "cannot reach u:***@h:5432/db"),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        ("Cookie: a=b; sid=abc", "Cookie: ***"),
        ("export PGPASSWORD=abc", "export PGPASSWORD=***"),
        ("AccountName=a;AccountKey=abc;k=3", "AccountName=a;AccountKey=***;k=3"),
        ("GET /a?sig=abc&k=3", "GET /a?sig=***&k=3"),
        ("[('password', 'abc'), ('k', 3)]", "[('password', ***), ('k', 3)]"),
        ("a passphrase=abc of it", "a passphrase=*** of it"),
        ("got eyJhbGciOiJIUzI1.eyJzdWIiOiIx.abc_d today", "got *** today"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END", "-----BEGIN PRIVATE KEY-----***-----END"),
        ("passes: 3, author: me, signal=9", "passes: 3, author: me, signal=9"),
        ("s3://b/p?endpoint_override=h:9000&scheme=http", "s3://b/p?endpoint_override=h:9000&scheme=http"),
        ("http://[::1]:5000/#/experiments/1 of me@h", "http://[::1]:5000/#/experiments/1 of me@h"),
        ("sqlite:////home/me/a:b/mlflow.db", "sqlite:////home/me/a:b/mlflow.db"),
        ("hf://datasets/a/b@main/x", "hf://datasets/a/b@main/x"),
        ("run pawsx --set training.max_tokens=64", "run pawsx --set training.max_tokens=64"),
        ("TOKENIZERS_PARALLELISM=false", "TOKENIZERS_PARALLELISM=false"),
    ],
)
def test_secrets_are_hidden_and_nothing_else(monkeypatch: pytest.MonkeyPatch, text: str, hidden: str) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_1234567890")
    monkeypatch.setenv("OTHER_TOKEN", "short")
    assert redact(text) == hidden


WIDE = st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=["Cc", "Zs", "Cs"])
PASSWORD = st.text(WIDE, min_size=6, max_size=20).map(lambda text: f"Q{text}Z7")
HOST = st.sampled_from(["h", "db.example.org", "10.0.0.1", "h:5432", "[::1]:80"])
SCHEME = st.sampled_from(["http", "https", "postgresql", "postgresql+psycopg2", "mysql", "s3", "hdfs"])


def pieces(password: str) -> set[str]:
    """Parts of a password that must not appear: any five characters in a row."""
    return {password[i : i + 5] for i in range(len(password) - 4)}


def shown(password: str, text: str) -> set[str]:
    return {piece for piece in pieces(password) if piece in text}


@given(SCHEME, HOST, PASSWORD, st.sampled_from(["", "/db", "/db?sslmode=require"]))
def test_no_part_of_a_password_in_an_address_is_seen(scheme, host, password, path):
    for text in (f"{scheme}://me:{password}@{host}{path}", f"{scheme}://h/db?user=me&password={password}"):
        assert not shown(password, redact(text)), text
        assert not shown(password, redact(f"cannot reach {text} now")), text
        assert not shown(password, "".join(redaction.redact_words(["--tracking", text]))), text


@given(PASSWORD, PASSWORD)
def test_a_password_with_blanks_is_no_word_of_its_own_in_a_command(left, right):
    address = f"postgresql://me:{left} {right}@h/db"
    for words in (["--tracking", address], [f"--tracking={address}"], ["--token", f"{left} {right}"]):
        told = " ".join(redaction.redact_words(words))
        assert not shown(left, told) and not shown(right, told)


@given(st.text(max_size=200))
def test_striking_out_twice_is_striking_out_once(text):
    assert redact(redact(text)) == redact(text)


def test_a_secret_stays_one_when_it_has_left_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abcdefghijklmnop")
    redaction.note_secrets()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert redacted({"a": ["x abcdefghijklmnop y"]}) == {"a": ["x *** y"]}


def test_the_command_is_recorded_without_what_it_should_not_show(monkeypatch):
    words = ["python", "-m", "xrt.study", "run", "mini", "--tracking", "http://me:it's a p@ss@h:5000"]
    monkeypatch.setattr(sys, "orig_argv", words)
    assert shlex.split(environment.command())[-1] == "http://***@h:5000"
