"""Who develops which module and vehicle, by when, with whose engineers?

A resource-constrained schedule by quarter of what a plan has decided to develop, with the hours the plan already pays.
"""

from teikei.develop.changed_schedules import what_ifs
from teikei.develop.feedback import plans_as_scheduled
from teikei.develop.timetable import late_starts, schedule
from teikei.develop.types import Schedule

__all__ = ["Schedule", "late_starts", "plans_as_scheduled", "schedule", "what_ifs"]
