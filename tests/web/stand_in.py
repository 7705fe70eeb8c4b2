"""A small stand-in for a run, for tests only: STUDY OUT [mode]. Writes a run folder with the tables given to it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

mode = os.environ.get("STAND_IN", "good")
study, out = Path(sys.argv[-2]), Path(sys.argv[-1])
print(json.dumps({"step": "Planning", "fraction": 0.4}), flush=True)
if (out.parent / "options.json").is_file() and "preview" in (out.parent / "options.json").read_text("utf-8"):
    from teikei.web.worker import main

    sys.exit(main([str(study), str(out)]))
if mode == "slow":
    time.sleep(30)
if mode == "bad":
    sys.stderr.write("offers.csv:3:price: expected a number")
    sys.exit(2)
if mode == "fault":
    os._exit(9)
out.mkdir()
(out / "report.html").write_text("<html><script>1</script><p>report</p></html>", "utf-8")
(out / "report.xlsx").write_bytes(b"PK")
(out / "tables").mkdir()
names = []
if mode == "joint":
    from tests.web.joint_tables import write_tables

    names = write_tables(study, out / "tables")
inputs = out / "inputs"
if study.is_dir():
    shutil.copytree(study, inputs)
else:
    inputs.mkdir()
    shutil.copy(study, inputs)
meta = {"format": 1, "tables": names}
(out / "run.json").write_text(json.dumps(meta), "utf-8")
