"""Masking of secrets in texts, however they are escaped."""

import html.entities
import json
import re
import urllib.parse
from collections.abc import Iterable

HIDDEN = "***"
# Shorter values are not masked, since they occur in many words.
SHORTEST_SECRET = 4
# Length of the longest escaped form of a character.
LONGEST_FORM = 16


def masked(text: str, secrets: Iterable[str]) -> str:
    """Returns a text without secrets."""
    for secret in sorted({*secrets} - {""}, key=len, reverse=True):
        text = re.sub(pattern(secret), HIDDEN, text)
    return text


def masked_beginning(text: str, length: int, secrets: Iterable[str]) -> str:
    """Returns the beginning of a text, without secrets or parts of one."""
    if len(text) <= length:
        return masked(text, secrets)
    return masked_prefix(text[:length], secrets)


def masked_prefix(text: str, secrets: Iterable[str]) -> str:
    """Masks a truncated text, which may end within a secret."""
    shown = masked(text, secrets)
    longest = LONGEST_FORM * max(map(len, secrets), default=0)
    return shown[: max(len(shown) - longest, 0)]


def pattern(secret: str) -> str:
    """Returns a regular expression for a secret, however it is escaped.

    Among others, it may be escaped as JSON, as HTML, in a URL, or by Python.
    """
    parts, slashes = [], 0
    for character in secret:
        if character == "\\":
            slashes += 1
            continue
        parts += [backslashes(slashes, character), forms(character)]
        slashes = 0
    if slashes:
        parts.append(backslashes(slashes, "a"))
    return "".join(parts)


def backslashes(count: int, character: str) -> str:
    """Returns a pattern of backslashes before a character.

    It includes those that escape the backslashes or the character.
    """
    if not count and character.isascii() and character.isalnum():
        return ""
    is_plain = character.isascii() and character.isalnum()
    most = 4 * count + (0 if is_plain else 4)
    one = r"(?:\\u005[cC]|%(?:25)*5[cC]|&#0*92;|&#[xX]0*5[cC];|\\)"
    # A possessive quantifier, so that long runs do not backtrack.
    return f"{one}{{{count},{most}}}+"


def forms(character: str) -> str:
    """Returns a pattern of the escaped forms of a character.

    The pattern does not include a preceding backslash.
    """
    if character.isascii() and character.isalnum():
        return character
    code, names = ord(character), html.entities.codepoint2name
    percent = "".join(
        f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace")
    )
    entities = [f"#0*{code}", f"#x0*{code:x}"]
    entities += [names[code]] if code in names else []
    entities += ["apos"] if character == "'" else []
    alternatives = [
        percent,
        f"&(?:amp;)*(?:{'|'.join(entities)});",
        re.escape(json.dumps(character)[1:-1].lstrip("\\")),
        f"u{code:04x}",
        f"x{code:02x}",
        re.escape(character),
    ]
    alternatives += [r"\+"] if character == " " else []
    return f"(?i:{'|'.join(alternatives)})"


def proxy_secrets(proxy: str) -> set[str]:
    """Returns the password in a proxy's address, even an invalid one."""
    rest = re.sub("^[A-Za-z0-9+.-]+:/+", "", proxy)
    login, at, _ = rest.rpartition("@")
    if not at:
        # If the host is missing, a password stands in the position of a port.
        login = "" if has_port(rest) else rest
    name, colon, password = login.partition(":")
    secret = password if colon else name if at else ""
    parts = re.split("[/?#@:]", secret)
    long_parts = {part for part in parts if len(part) >= SHORTEST_SECRET}
    secrets = {secret, *long_parts}
    return secrets | set(map(urllib.parse.unquote, secrets))


def has_port(rest: str) -> bool:
    """Whether the text after a host's colon, if any, is a port."""
    location = re.split("[/?#]", rest, maxsplit=1)[0]
    port = re.sub(r"^\[[^\]]*\]", "", location).partition(":")[2]
    return not port or (
        re.fullmatch("[0-9]{1,5}", port) is not None and int(port) < 2**16
    )
