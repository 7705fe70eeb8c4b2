import polars as pl

from teikei.modules import catalogue
from teikei.report.context import make_context
from teikei.report.sections.vehicle import section
from tests.report import fake_tables as fake
from tests.simulate.small_study import small_study


def laws_block(tables):
    found = section(make_context(tables, fake.meta()))
    return [block for block in found.blocks if getattr(block, "summary", "").startswith("By which law")]


def test_report_shows_the_law_of_every_design_and_how_many_are_stretched():
    tables = dict(fake.tables())
    designs = catalogue(small_study()).table.rename({"module": "variant"})
    keys = tables["module_designs"].select("coalition", "rung").unique(maintain_order=True)
    tables["module_designs"] = keys.join(designs, how="cross")
    tables["configurations"] = tables["configurations"].with_columns(module=pl.lit("E47"))
    (block,) = laws_block(tables)
    table = block.blocks[0]
    assert len(table.rows) == 1
    text = " ".join(cell.text for cell in table.rows[0])
    assert "TUM AuVeCoDe machine" in text
    assert "motor pm: 47 kW is outside its 50 to 350 kW" in text
    assert "1 of 1 outside the range" in table.caption


def test_a_run_without_laws_stored_shows_no_empty_table():
    assert laws_block(fake.tables()) == []
