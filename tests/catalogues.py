"""Catalogues of translations, as their authors write them: files of the kind ``.po``."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import token_lifecycle

FOLDER = Path(token_lifecycle.__file__).parent
LANGUAGES = ("de", "es")

#: A keyword, and a string that the lines below it may go on with.
FIELD = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr)(?:\[\d\])? (".*")')
#: What is put in, and what must not be translated: markup, options and names of commands.
KEPT = re.compile(r"%\(\w+\)[a-z]|\{\w+\}|%(?!\(|%)|</?\w+>|(?<!\w)--[a-z-]+|\w+_\w+")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A text and its translation, in as many forms as the language has."""

    context: str
    text: str
    plural: str
    forms: tuple[str, ...]
    comments: tuple[str, ...]

    @property
    def key(self):
        return self.context, self.text, self.plural

    @property
    def flags(self):
        lines = [line[2:].split(",") for line in self.comments if line.startswith("#,")]
        return {flag.strip() for line in lines for flag in line}

    @property
    def compiled(self):
        """The same as ``gettext`` keeps it in memory."""
        key = f"{self.context}\x04{self.text}" if self.context else self.text
        if not self.plural:
            return {key: self.forms[0]}
        return {(key, number): form for number, form in enumerate(self.forms)}


def path_of(language, ending="po", folder=FOLDER):
    return folder / "locale" / language / "LC_MESSAGES" / f"django.{ending}"


def header_of(path):
    """What a catalogue says of itself."""
    (header,) = [entry for entry in _entries(path) if not entry.text]
    return dict(line.split(": ", 1) for line in header.forms[0].splitlines())


def entries_of(path):
    return [entry for entry in _entries(path) if entry.text]


def kept_in(text):
    return sorted(KEPT.findall(text))


def _entries(path):
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip()):
        yield _entry(block.splitlines())


def _entry(lines):
    fields, comments, strings = {}, [], []
    for line in lines:
        if line.startswith("#"):
            comments.append(line)
        elif found := FIELD.fullmatch(line):
            strings = fields.setdefault(found[1], [])
            strings.append(ast.literal_eval(found[2]))
        else:
            strings[-1] += ast.literal_eval(line)
    return Entry(
        context="".join(fields.get("msgctxt", [])),
        text="".join(fields["msgid"]),
        plural="".join(fields.get("msgid_plural", [])),
        forms=tuple(fields["msgstr"]),
        comments=tuple(comments),
    )
