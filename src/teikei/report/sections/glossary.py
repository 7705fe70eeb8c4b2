"""Words used on the page."""

from __future__ import annotations

from typing import Final

from teikei.report.blocks import Section, grid

_WORDS: Final = (
    (
        "rung",
        "A step of cooperation: what is bought together and what is developed together. Each includes the ones "
        "below it.",
    ),
    (
        "alone",
        "Each company (or group that already pools today) plans for itself, from today's contracts and modules on.",
    ),
    ("saving", "Cost alone minus cost together: present value of all years, before tax, at the same volumes."),
    (
        "proven range",
        "The saving lies in it for the study's figures, whatever better plan might exist. Wrong inputs are not "
        "covered.",
    ),
    ("gap", "What a better plan could at most still save over the one found."),
    (
        "development, tooling, variants",
        "Levers: paying family design, tools and versions once instead of once per company.",
    ),
    (
        "alignment",
        "Lever: who pays more for comparable parts gets nearer to the partner's price once they are bought together.",
    ),
    (
        "commercial scale",
        "Lever: better conditions for more total business with one supplier, each company keeping its own drawing.",
    ),
    ("technical scale", "Lever: lower price for more units of one drawing on one line."),
    ("plant use", "Lever: own plants run fuller."),
    (
        "access",
        "Lever: a source only the group can reach, or a cheaper design that pays only for the group; below zero where "
        "its pieces cost more and what is saved in development pays for that.",
    ),
    ("overdesign", "Penalty: a shared part is larger than this car needs."),
    ("coordination", "Penalty: people and time to agree."),
    ("joint organisation", "Cost: the people who buy for all, every year."),
    (
        "captive",
        "Cost: lines of a company's own supplier that stand idle, at its owner's share; below zero in a saving where "
        "they lose more units, above where partners fill them.",
    ),
    ("divergence", "Penalty: units that leave the common drawing over time."),
    ("switching", "Penalty: tests and homologation when a programme changes module or source."),
    (
        "choice of modules",
        "Access and overdesign together: what another choice of modules or sources saves, less what it costs.",
    ),
    (
        "hard, target, report",
        "Kinds of requirement. A car past a hard one is refused; missing a target costs what buyers would have paid "
        "for the unit, down to a floor that refuses; a report is only told.",
    ),
    (
        "missed target",
        "Not cash: what buyers lose because cars miss targets (price per unit times units missed times cars), "
        "discounted. It steers the plan and stands apart from money that is paid.",
    ),
    ("family, variant, application", "What is developed once; its members by size; one member put into one car."),
    ("core", "Splits that leave no group better off on its own."),
    (
        "Shapley value, nucleolus",
        "Two rules of sharing: average contribution; smallest largest complaint. For two players they agree.",
    ),
    ("pass-through", "Part of a change of cost that reaches the price."),
    ("10–90 % band", "Eight of ten forecasts of the model lie inside, if the model is right."),
    ("assumption", "A figure without a published source: an analyst's estimate."),
)


def section() -> Section:
    """The glossary."""
    return Section(
        "glossary",
        "Words",
        "What do the terms mean here?",
        (grid("Glossary", ["Word", "Meaning"], [list(pair) for pair in _WORDS], look="words"),),
    )
