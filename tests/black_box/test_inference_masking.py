"""Forms of secrets."""

import html
import json
import re
import time
import urllib.parse

import pytest

pytest.importorskip("requests")

from keras_reprogram.black_box.inference_masking import masked
from keras_reprogram.black_box.inference_masking import masked_beginning
from keras_reprogram.black_box.inference_masking import proxy_secrets

pytestmark = pytest.mark.numpy_alone


def go_json(secret):
    text = json.dumps(secret)[1:-1]
    for character in "&<>":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def go_html(secret):
    text = html.escape(secret, quote=False)
    return text.replace('"', "&#34;").replace("'", "&#39;")


@pytest.mark.parametrize(
    "form",
    [
        str,
        go_json,
        go_html,
        html.escape,
        lambda s: html.escape(html.escape(s)),
        lambda s: repr(s)[1:-1],
        lambda s: repr(s + "\"'")[1:-1],
        lambda s: ascii(s)[1:-1],
        lambda s: repr(repr(s))[2:-2],
        lambda s: json.dumps(s)[1:-1],
        lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
        lambda s: json.dumps(json.dumps(s))[3:-3],
        lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
        lambda s: json.dumps(urllib.parse.quote(s))[1:-1],
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda s: urllib.parse.quote(s, safe=""),
        lambda s: urllib.parse.quote(s, safe="").lower(),
        lambda s: urllib.parse.quote(urllib.parse.quote(s, safe="")),
        lambda s: "".join(c if c.isalnum() else f"\\u{ord(c):04X}" for c in s),
    ],
)
@pytest.mark.parametrize(
    "secret",
    [
        "abcd1234",
        "to\"k'a&c<d>/e+f=g%h",
        "back\\slash\\\\es\\\\\\/\\u0041\\",
        "with space~{}[]`^|;:,.?#@!$*()-_",
        "nach\u00e9\nx",
    ],
)
def test_a_secret_is_found_in_all_its_forms(secret, form):
    secret = secret.lower()
    found = masked(f"x {form(secret)} y", [secret])
    # Quotes and backslashes around a form are not of it.
    assert re.sub(r"[\\'\"]", "", found) == "x *** y"


def test_what_is_no_secret_stays():
    assert masked("a.c abc", ["a+c", ""]) == "a.c abc"
    assert masked("ABC", ["abc"]) == "ABC"


def test_many_backslashes_take_no_long_time():
    start = time.perf_counter()
    for text in ("\\" * 20000, "%25" * 20000, "&amp;" * 20000):
        masked(text, ["\\" * 50 + "x", "%" * 50 + "x", "&" * 50 + "x"])
    assert time.perf_counter() - start < 5.0


def test_a_part_at_the_end_is_not_shown():
    text = "abcdefgh" * 100
    for length in range(390, 410):
        shown = masked_beginning(text, length, ["abcdefgh"])
        assert set(shown) <= {"*"}
    assert masked_beginning("xyz", 3, ["abc"]) == "xyz"


@pytest.mark.parametrize("proxy", ["http://h:1", "h", "http://[::1]:8080/", ""])
def test_a_proxy_without_a_password_has_no_secret(proxy):
    assert not proxy_secrets(proxy) - {""}
