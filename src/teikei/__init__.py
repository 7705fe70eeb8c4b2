"""teikei: what should rival carmakers share and buy together, what does it save, who gets what?

The line: study → modules → simulate → plan → develop → split → market → report. Each stage is a folder with one main
function and frozen results, and reads only what is to its left; ``flow.py`` shows the whole line in one screen.
"""

from __future__ import annotations

__version__ = "0.1.0"
