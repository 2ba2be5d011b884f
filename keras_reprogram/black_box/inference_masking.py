"""Secrets in texts, in the forms in which servers write them."""

import html.entities
import json
import re
import urllib.parse
from collections.abc import Iterable

HIDDEN = "***"
# Shorter values are no secrets, and are in many words.
SHORTEST_SECRET = 4
# No form of a character is longer.
LONGEST_FORM = 16


def masked(text: str, secrets: Iterable[str]) -> str:
    """Returns a text without secrets."""
    for secret in sorted({*secrets} - {""}, key=len, reverse=True):
        text = re.sub(pattern(secret), HIDDEN, text)
    return text


def beginning(text: str, length: int, secrets: Iterable[str]) -> str:
    """Returns the beginning of a text, which has no part of a secret."""
    if len(text) <= length:
        return masked(text, secrets)
    return masked_cut(text[:length], secrets)


def masked_cut(text: str, secrets: Iterable[str]) -> str:
    """Returns a text without secrets that has been cut, maybe within one."""
    shown = masked(text, secrets)
    longest = LONGEST_FORM * max(map(len, secrets), default=0)
    return shown[: max(len(shown) - longest, 0)]


def pattern(secret: str) -> str:
    """A regular expression for a secret, however it is escaped.

    Among others as JSON, HTML, a part of an address, or by Python.
    """
    found, slashes = [], 0
    for character in secret:
        if character == "\\":
            slashes += 1
            continue
        found += [backslashes(slashes, character), forms(character)]
        slashes = 0
    if slashes:
        found.append(backslashes(slashes, "a"))
    return "".join(found)


def backslashes(count: int, before: str) -> str:
    """A pattern of backslashes, and of those that escape what is behind."""
    if not count and before.isascii() and before.isalnum():
        return ""
    most = 4 * count + (0 if before.isascii() and before.isalnum() else 4)
    one = r"(?:\\u005[cC]|%(?:25)*5[cC]|&#0*92;|&#[xX]0*5[cC];|\\)"
    # Possessive, so that many of them take no long time.
    return f"{one}{{{count},{most}}}+"


def forms(character: str) -> str:
    """A pattern of the forms of a character, without a backslash before."""
    if character.isascii() and character.isalnum():
        return character
    code, names = ord(character), html.entities.codepoint2name
    percent = "".join(
        f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace")
    )
    entities = [f"#0*{code}", f"#x0*{code:x}"]
    entities += [names[code]] if code in names else []
    entities += ["apos"] if character == "'" else []
    found = [
        percent,
        f"&(?:amp;)*(?:{'|'.join(entities)});",
        re.escape(json.dumps(character)[1:-1].lstrip("\\")),
        f"u{code:04x}",
        f"x{code:02x}",
        re.escape(character),
    ]
    found += [r"\+"] if character == " " else []
    return f"(?i:{'|'.join(found)})"


def proxy_secrets(proxy: str) -> set[str]:
    """The password in the address of a proxy, even if it is no address."""
    rest = re.sub("^[A-Za-z0-9+.-]+:/+", "", proxy)
    login, at, _ = rest.rpartition("@")
    if not at:
        # With the host forgotten, a password is where a port should be.
        login = "" if has_port(rest) else rest
    name, colon, password = login.partition(":")
    secret = password if colon else name if at else ""
    parts = [each for each in re.split("[/?#@:]", secret)]
    found = {secret, *(p for p in parts if len(p) >= SHORTEST_SECRET)}
    return found | {urllib.parse.unquote(each) for each in found}


def has_port(rest: str) -> bool:
    """Whether what is behind the colon of a host, if any, is a port."""
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    port = re.sub(r"^\[[^\]]*\]", "", place).partition(":")[2]
    return not port or (
        re.fullmatch("[0-9]{1,5}", port) is not None and int(port) < 2**16
    )
