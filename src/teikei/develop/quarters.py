"""Calendar quarters as numbers, counted from the first quarter of a schedule."""

from __future__ import annotations

from dataclasses import dataclass

from teikei.errors import StudyError


@dataclass(frozen=True)
class Calendar:
    """Quarter 0 is ``first``, written ``YYYY-Qn``."""

    first: str

    @property
    def origin(self) -> int:
        """Quarters since year 0."""
        year, _, quarter = self.first.partition("-Q")
        if not (year.isdigit() and quarter in ("1", "2", "3", "4")):
            raise StudyError(f"{self.first!r} is not a quarter: write it as 2027-Q1")
        return int(year) * 4 + int(quarter) - 1

    def label(self, index: int) -> str:
        """``YYYY-Qn`` of a quarter."""
        year, quarter = divmod(self.origin + index, 4)
        return f"{year}-Q{quarter + 1}"

    def of_month(self, month: str) -> int:
        """Quarter that holds a month ``YYYY-MM``."""
        year, _, number = month.partition("-")
        return int(year) * 4 + (int(number) - 1) // 3 - self.origin

    def of_year(self, year: int) -> int:
        """First quarter of a year."""
        return year * 4 - self.origin

    def middle(self, index: int) -> float:
        """Decimal year of the middle of a quarter."""
        return (self.origin + index + 0.5) / 4
