"""Every sentence of the pages is there in Japanese, with the same names in it."""

from __future__ import annotations

import re
from importlib import resources
from typing import get_args

from teikei.room.designs import DRIVES, DRIVES_NOT
from teikei.room.door import NOT_ON_CELLS, OUTSIDERS, WITHHELD
from teikei.room.items import NOT_EVALUATED, AnyItem, band_text
from teikei.room.preview import CELL
from teikei.room.specification import FIELDS, NOT_CROSSING
from teikei.web import app
from teikei.web.joint import NOT_STARTED, STATES
from teikei.web.pages import ROLE_TITLES
from teikei.web.text import in_japanese, japanese, translator

_CHOICE = re.compile(r"""\bt\(({[^}]*})\[""")  # t({"key": "sentence", …}[key])
_CALL = re.compile(r"""\bt\(\s*(?:"([^"]*)"|'([^']*)')""")


def all_sentences() -> set[str]:
    """Whatever a page may show in the reader's language, study and report apart."""
    sentences = set(ROLE_TITLES.values()) | (set(STATES) - {"solved"}) | set(app._WORDS.values())
    sentences |= {field.title for fields in FIELDS.values() for field in fields}
    sentences |= {choice for fields in FIELDS.values() for field in fields for choice in field.choices if " " in choice}
    sentences |= {part for pair in NOT_CROSSING for part in pair}
    sentences |= {DRIVES, DRIVES_NOT, NOT_EVALUATED, WITHHELD, NOT_ON_CELLS, OUTSIDERS, CELL, NOT_STARTED}
    sentences |= {one.model_fields["kind"].default for one in get_args(get_args(AnyItem)[0])}
    for file in resources.files("teikei.web").joinpath("templates").iterdir():
        text = file.read_text("utf-8")
        sentences |= {one or two for one, two in _CALL.findall(text)}
        for choice in _CHOICE.findall(text):
            sentences |= set(re.findall(r': "([^"]*)"', choice))
    return sentences


_SAID = re.compile(
    r"(?:StudyError|NotAllowedError|DamagedRunError|TooManyAttemptsError|_need\([^\n]*?,)\(?\s*(f?)\"([^\"]+)\""
)
_COMMAND_LINE = ("audit.py", "backup.py", "serve.py", "database.py")  # said on the command line, in English


def test_every_error_of_the_pages_is_said_in_japanese_too() -> None:
    checked = 0
    for file in [*resources.files("teikei.web").iterdir(), *resources.files("teikei.room").iterdir()]:
        if not file.name.endswith(".py") or file.name in _COMMAND_LINE:
            continue
        for formatted, sentence in _SAID.findall(file.read_text("utf-8")):
            if sentence == "; ":
                continue
            shown = re.sub(r"{[^}]*}", "7", sentence) if formatted else sentence
            assert in_japanese(shown) != shown, (file.name, sentence)
            checked += 1
    assert checked > 50


def test_bands_are_said_in_japanese() -> None:
    said = [in_japanese(band_text((-5.0, 5000.0), value)) for value in (-9.0, 0.0, 7000.0)]
    assert said == ["-5 未満", "-5 以上 5,000 未満", "5,000 以上"]


def test_names_that_an_error_has_filled_in_stay_as_they_are() -> None:
    said = in_japanese("there is no company 'Aoba {x} <b>'; add it under companies and people")
    assert "'Aoba {x} <b>'" in said
    assert "会社" in said
    assert (
        in_japanese("volumes.csv:3:units: something of the checker") == "volumes.csv:3:units: something of the checker"
    )


def test_every_sentence_of_the_pages_has_its_japanese() -> None:
    sentences = all_sentences()
    assert len(sentences) > 250
    assert sorted(sentences - set(japanese())) == []


def test_both_languages_name_the_same_things() -> None:
    for english, other in japanese().items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", other)), english
    assert translator("ja")("{count} lines", count=3) == "3 行"
