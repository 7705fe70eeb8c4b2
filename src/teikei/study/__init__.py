"""What do the companies tell us? Every table, typed and checked, every problem reported with its place."""

from teikei.study.types import Settings, Study

__all__ = ["Settings", "Study"]
