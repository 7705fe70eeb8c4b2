"""What a planner reads: one page, one workbook, charts and tables."""
