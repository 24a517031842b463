"""Texts that have broken software before, in every place where a client may write text."""

from urllib.parse import quote

STRINGS = {
    # What is not there, and what only looks so
    "nothing": "",
    "a space": " ",
    "many spaces": " " * 500,
    "tabs and line ends": "\t\r\n\v\f",
    "no-break space": "\N{NO-BREAK SPACE}",
    "zero width space": "\N{ZERO WIDTH SPACE}",
    "soft hyphen": "a\N{SOFT HYPHEN}b",
    "byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}x",
    "Hangul filler": "\N{HANGUL FILLER}",
    "separators": "a\u2028b\u2029c\u0085d",
    # Words that mean something to some machine
    "null": "null",
    "None": "None",
    "undefined": "undefined",
    "true": "true",
    "NaN": "NaN",
    "minus infinity": "-Infinity",
    "prototype": "__proto__",
    "a device of Windows": "CON.txt",
    # Numbers
    "zero": "0",
    "minus zero": "-0",
    "minus one": "-1",
    "a fraction": "1/0",
    "an exponent": "1e309",
    "hexadecimal": "0xdeadbeef",
    "beyond 32 bits": str(2**31),
    "beyond 64 bits": str(2**64),
    "4,301 digits": "9" * 4301,
    "Arabic digits": "\u0661\u0662\u0663",
    "full width digits": "\uff11\uff12\uff13",
    "a superscript": "\N{SUPERSCRIPT TWO}",
    # Control characters
    "NUL": "\0",
    "NUL inside": "ad\0min",
    "every control character": "".join(map(chr, range(32))) + "\x7f",
    "C1 controls": "".join(map(chr, range(0x80, 0xA0))),
    "a terminal's title": "\x1b]0;owned\x07\x1b[2J",
    "backspaces": "admin\b\b\b\b\broot",
    # Unicode at its edges
    "a lone high surrogate": "\ud800",
    "a lone low surrogate": "x\udfff",
    "surrogates in the wrong order": "\udc00\ud800",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "private use": "\ue000\U000f0000",
    "unassigned": "\u0378\u0379",
    "replacement characters": "\ufffd" * 50,
    "tags": "".join(map(chr, range(0xE0020, 0xE0040))),
    "variation selectors": "a" + "\ufe0f" * 50,
    "combining marks": "e" + "\N{COMBINING ACUTE ACCENT}" * 500,
    "a letter that grows": "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 50,
    "two forms": "\N{LATIN SMALL LETTER E WITH ACUTE}e\N{COMBINING ACUTE ACCENT}",
    "case that changes the length": "\N{LATIN SMALL LETTER SHARP S}\N{LATIN SMALL LIGATURE FFI}",
    "Turkish letters": "\u0130\u0131Ii",
    "homoglyphs": "\N{CYRILLIC SMALL LETTER A}dmin",
    "full width": "\uff41\uff44\uff4d\uff49\uff4e",
    "mathematical letters": "\U0001d4ea\U0001d4ed\U0001d4f6\U0001d4f2\U0001d4f7",
    # Scripts and directions
    "Arabic": "\u062b\u0645 \u0646\u0641\u0633 \u0633\u0642\u0637\u062a",
    "Chinese": "\u793e\u6703\u79d1\u5b78\u9662",
    "Thai without spaces": "\u0e01\u0e33\u0e1b\u0e31\u0e48\u0e19" * 20,
    "Devanagari": "\u0915\u094d\u0937\u0924\u094d\u0930\u093f\u092f",
    "override of the direction": "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "isolates that never end": "\N{RIGHT-TO-LEFT ISOLATE}" * 50,
    # Pictures
    "pile of poo": "\N{PILE OF POO}",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a flag cut in half": "\U0001f1e9",
    "skin on nothing": "\U0001f3ff",
    "emoji in a crowd": "\N{PILE OF POO}" * 500,
    # Formats
    "printf": "%s%s%n%x%d",
    "percent": "100%",
    "percent of a dict": "%(password)s",
    "braces": "{0}{self.__class__}{!r}",
    "a template": "{{ 7|add:7 }}{% debug %}",
    "another template": "${7*7}#{7*7}<%= 7*7 %>",
    "a lookup": "${jndi:ldap://127.0.0.1/a}",
    "percent-encoded": "%00%0d%0a%2e%2e%2f%ff%ED%A0%80",
    "backslashes": "\\u0000\\x00\\ud800\\",
    "entities": "&lt;script&gt;&#0;&#x110000;",
    # Injections
    "SQL": "' OR 1=1 --",
    "SQL that drops": '"; DROP TABLE token_lifecycle_session; --',
    "SQL wildcards": "%_\\%\\_",
    "a glob": "*?[!a]",
    "a regular expression": "(a+)+$" + "a" * 40 + "!",
    "a query of documents": '{"$gt": ""}',
    "LDAP": "*)(uid=*))(|(uid=*",
    "XPath": "' or '1'='1",
    "XML": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a shell": "$(touch /tmp/x);`id`|id&",
    "a formula": "=cmd|' /C calc'!A0",
    "a line of a log": "x\n2030-01-01 CRITICAL root: sign-in of admin",
    "a header": "x\r\nSet-Cookie: a=b\r\n\r\n<html>",
    "a header in other line ends": "x\u560d\u560aSet-Cookie: a=b",
    "a pickle": "cos\nsystem\n(S'id'\ntR.",
    # Markup
    "a script": "<script>alert(1)</script>",
    "an image": "\"><img src=x onerror='alert(1)'>",
    "a scheme": "javascript:alert(1)",
    "data": "data:text/html;base64,PHNjcmlwdD4=",
    "a comment": "--><!--]]>*/",
    # Places
    "a path": "../../../../etc/passwd",
    "a path of Windows": "..\\..\\windows\\win.ini",
    "a path with a NUL": "../../etc/passwd\0.png",
    "a path, encoded twice": "..%252f..%252fetc%252fpasswd",
    "a device": "/dev/zero",
    "a file": "file:///etc/passwd",
    "the cloud": "http://169.254.169.254/latest/meta-data/",
    "another site": "//evil.example/",
    "another site, backwards": "/\\evil.example",
    # Separators of what it may be put into
    "a cookie": "x; Path=/; Domain=evil.example",
    "two cookies": "a=b; a=c",
    "quotes": "\"'`\u201c\u201d\u2018\u2019",
    "an open quote": '"',
    "commas": ",,,;;;===",
    "an address": "a@b",
    "brackets": "[[]]{}()<>",
    # Size
    "a hundred thousand letters": "A" * 100_000,
    "a hundred thousand dots": "." * 100_000,
    # Sorting them is quadratic (unicodedata.normalize).
    "marks in the wrong order": "e" + "\u0301" * 24_000 + "\u0316" * 24_000,
    "marks in the wrong order, after all": "e" + ("\u0301" * 250 + "\u0316" * 250),
    "thirty thousand letters that grow": "\ufdfa" * 30_000,
    "a long name": "anna" * 5_000,
    "a name among spaces": " " * 50_000 + "anna" + " " * 50_000,
    "thirty thousand brackets": "[" * 30_000,
}


def as_header(text):
    """``text`` as a server finds it in a header: bytes, read as Latin-1."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def as_segment(text):
    """``text`` as one part of a path."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")
