"""What does a person's own sheet say? Bid comparisons and planners' tables as tables of teikei, nothing lost silently.

``amounts`` reads numbers as people write them, ``grid`` holds a sheet and which of its cells were used, ``words`` knows
what columns are called (words.csv), ``bids`` and ``study_sheets`` read the two kinds, ``asking`` asks by place,
``answers`` is import.yaml, ``command`` does it all.
"""

from teikei.tables.intake.command import Imported, import_file

__all__ = ["Imported", "import_file"]
