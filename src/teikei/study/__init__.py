"""What do the companies tell us? Every table, typed and checked, every problem reported with its place.

``load`` reads a folder (study.yaml and one CSV file per table) or an Excel workbook into a ``Study``; ``check`` lists
every problem; ``apply_scenario`` makes a named set of changes; ``new`` starts a study from a template.
"""

from teikei.study.loading import check, load
from teikei.study.scenarios import apply_scenario
from teikei.study.starting import new
from teikei.study.types import Settings, Study
from teikei.study.write import write_folder, write_workbook
from teikei.tables.messages import format_problems_json, format_problems_text

__all__ = [
    "Settings",
    "Study",
    "apply_scenario",
    "check",
    "format_problems_json",
    "format_problems_text",
    "load",
    "new",
    "write_folder",
    "write_workbook",
]
