"""What does a file say? Cells, tables, workbooks and folders, read and written in one way for every kind of input.

``columns`` describes tables (columns.csv), ``source`` is a table with the places of its cells, ``read_folder`` and
``read_workbook`` open files behind the guard, ``cells`` is the one law of what a cell means, ``read_tables`` makes
typed rows, ``messages`` holds the words of a problem.
"""
