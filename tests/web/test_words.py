"""Every sentence of the pages is there in Japanese, with the same names in it."""

from __future__ import annotations

import re
from importlib import resources

from teikei.web.joint import STATES
from teikei.web.pages import ROLE_TITLES
from teikei.web.text import japanese, translator

_CALL = re.compile(r"""\bt\(\s*(?:"([^"]*)"|'([^']*)')""")


def test_every_sentence_of_a_template_has_its_japanese() -> None:
    sentences = set(ROLE_TITLES.values()) | (set(STATES) - {"solved"})
    for file in resources.files("teikei.web").joinpath("templates").iterdir():
        sentences |= {one or two for one, two in _CALL.findall(file.read_text("utf-8"))}
    assert len(sentences) > 150
    assert sorted(sentences - set(japanese())) == []


def test_both_languages_name_the_same_things() -> None:
    for english, other in japanese().items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", other)), english
    assert translator("ja")("{count} lines", count=3) == "3 行"
