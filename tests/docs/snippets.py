"""Reads the code blocks of the documentation and does what they say, in a folder of its own for each page.

Blocks, by the first word after the fence:

- ``sh``: one command a line, which must end with 0. ``title="ends with exit code 2"``: not with 0.
  ``title="stays running"`` and ``teikei serve``: started, and stopped by its own id at the end of the page.
  A port that is named there is replaced by a free one, in the whole page.
- ``python``: run in one namespace a page.
- any other language with ``title="path/to/file"``: the block is the whole content of that file.
- ``text title="Output"``: each line occurs, in this order, in what the block before it printed; ``…`` is anything.
- ``text``, ``mermaid`` without a title: not run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(
    r"^(?P<indent> *)```\s*(?P<language>[\w-]+)(?P<rest>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```", re.M | re.S
)
_TITLE = re.compile(r'title="([^"]*)"')
ENDS_WITH = "ends with exit code "
_NOT_RUN = ("text", "mermaid")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str
    body: str

    @property
    def place(self) -> str:
        """Where the block stands, for messages."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        title = _TITLE.search(match["rest"])
        indent = match["indent"]
        body = re.sub(rf"^{indent}", "", match["body"], flags=re.M) if indent else match["body"]
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match["language"], title[1] if title else "", body))
    return found


@dataclass
class Reader:
    """A reader who does a page from top to bottom in ``folder``."""

    folder: Path
    printed: str = ""
    names: dict[str, object] = field(default_factory=lambda: {"__name__": "docs"})
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)

    def do(self, block: Block) -> None:
        """Do one block; AssertionError with its place where it does not do what the page says."""
        if "--port" in block.body:
            self.ports.update({port: free_port() for port in re.findall(r"--port (\d+)", block.body)})
        for told, free in self.ports.items():
            block = replace(block, body=re.sub(rf"(?<=[: ]){told}\b", free, block.body))
        if block.language == "sh":
            self._commands(block)
        elif block.language == "python":
            self._python(block)
        elif block.language == "text" and block.title == "Output":
            self._compare(block)
        elif block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, "utf-8")
        else:
            assert block.language in _NOT_RUN, f"{block.place}: nobody knows how to run a {block.language} block"

    def stop(self) -> None:
        """Stop what the page left running."""
        for process in self.running:
            process.terminate()
            process.wait(timeout=20)

    def _commands(self, block: Block) -> None:
        wanted = int(block.title.removeprefix(ENDS_WITH)) if block.title.startswith(ENDS_WITH) else 0
        self.printed = ""
        for line in block.body.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if block.title == "stays running" or words[1:2] == ["serve"]:
                self._start(words, block)
                continue
            done = subprocess.run(
                _words(words), cwd=self.folder, env=environment(), capture_output=True, text=True, check=False
            )
            self.printed += done.stdout + done.stderr
            assert done.returncode == wanted, (
                f"{block.place}: `{line}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )

    def _start(self, words: list[str], block: Block) -> None:
        """Start a command that stays, and wait until it has said where it listens."""
        heard = self.folder / f".printed-{len(self.running)}"
        with heard.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                _words(words), cwd=self.folder, env=environment(), stdout=out, stderr=subprocess.STDOUT, text=True
            )
        self.running.append(process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None and "http" not in heard.read_text("utf-8"):
            time.sleep(0.2)
        self.printed = heard.read_text("utf-8")
        assert process.poll() is None, f"{block.place}: stopped at once with {process.returncode}:\n{self.printed}"

    def _python(self, block: Block) -> None:
        before = Path.cwd()
        heard = io.StringIO()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(heard):
                exec(compile(block.body, block.place, "exec"), self.names)
        finally:
            os.chdir(before)
            self.printed = heard.getvalue()

    def _compare(self, block: Block) -> None:
        rest = _plain(self.printed)
        for line in filter(None, map(str.strip, block.body.splitlines())):
            pattern = r".*?".join(re.escape(part) for part in _plain(line).split("…"))
            match = re.search(pattern, rest)
            assert match, f"{block.place}: the page shows\n  {line}\nbut what was printed is\n{self.printed}"
            rest = rest[match.end() :]


def free_port() -> str:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _plain(text: str) -> str:
    """Text with runs of blanks made one, so that the width of a terminal does not matter."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def _words(words: list[str]) -> list[str]:
    """The command as it is run here: ``teikei`` and ``python`` of this environment."""
    if words[0].endswith("teikei"):
        return [sys.executable, "-c", "from teikei.cli import main; main()", *words[1:]]
    return [sys.executable, *words[1:]] if words[0] == "python" else words


def environment() -> dict[str, str]:
    """The environment of the commands: the source tree first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "COLUMNS": "200"}
