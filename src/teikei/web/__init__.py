"""The page: the room where rivals design one powertrain without seeing each other's figures.

A neutral operator runs ``teikei serve``. Each company has a folder and a database file of its own; a joint study is
solved in the operator's room, and of it a company sees only what ``release`` passes. ``app.create_app`` builds
the server;
nothing is imported here, so that ``teikei audit-verify`` needs neither the server nor the tables.
"""
