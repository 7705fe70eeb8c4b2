"""What a planner reads: one page, one workbook, charts and tables; ``headline`` is the same in the terminal.

``write(tables, meta, folder)`` reads only the stored tables of a run and what is known about it. A table that is
missing or empty becomes a sentence, never an error and never a number.
"""

from __future__ import annotations

from teikei.report.headline_text import headline
from teikei.report.writing import write

__all__ = ["headline", "write"]
