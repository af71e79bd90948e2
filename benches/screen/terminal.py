"""A program in a terminal of its own, and what it shows there."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata
from collections import deque
from collections.abc import Iterator

COLUMNS, ROWS = 120, 40
FRAME_END = b"\x1b[?2026l"
# An escape sequence, or text up to the next one.
TOKEN = re.compile(r"\x1b\[([?<=>]?[0-9;:]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()=>78][AB0]?|([^\x1b]+)")
# Attributes by the number that clears them.
CLEARS = {22: {1, 2}, 23: {3}, 24: {4}, 25: {5}, 27: {7}, 28: {8}, 29: {9}}
SECONDS_TO_END = 5.0

Place = tuple[int, int]


class Cells:
    """What a terminal shows: by place (column, row) a character and its style. Knows what the workbench writes."""

    def __init__(self) -> None:
        self.cells: dict[Place, tuple[str, tuple]] = {}
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""
        self.x = self.y = 0
        self.colours: dict[int, tuple] = {}
        self.attributes: frozenset[int] = frozenset()

    def feed(self, data: bytes) -> bool:
        """Takes in what was written; whether a frame ended in it."""
        text, at, has_ended = self.rest + self.decoder.decode(data), 0, False
        while token := TOKEN.match(text, at):
            at = token.end()
            parameters, final, written = token.groups()
            if written:
                self.write(written)
            elif final:
                self.obey(parameters, final)
            has_ended |= (parameters, final) == ("?2026", "l")
        self.rest = text[at:]
        return has_ended

    def write(self, text: str) -> None:
        style = (self.colours.get(38), self.colours.get(48), self.attributes)
        for character in text:
            if character < " " or unicodedata.combining(character):
                continue
            self.cells[self.x, self.y] = (character, style)
            self.x += 2 if unicodedata.east_asian_width(character) in "WF" else 1

    def obey(self, parameters: str, final: str) -> None:
        if final == "H":
            row, _, column = parameters.partition(";")
            self.x, self.y = int(column or 1) - 1, int(row or 1) - 1
        elif final == "m":
            self.restyle([int(number or 0) for number in re.split("[;:]", parameters)])
        elif final == "J" or (parameters, final) == ("?1049", "h"):
            self.cells.clear()

    def restyle(self, numbers: list[int]) -> None:
        while numbers:
            number = numbers.pop(0)
            if number in (38, 48):
                length = 4 if numbers[:1] == [2] else 2
                self.colours[number] = tuple(numbers[:length])
                del numbers[:length]
            elif number == 0:
                self.colours, self.attributes = {}, frozenset()
            elif number in (39, 49):
                self.colours.pop(number - 1, None)
            elif 30 <= number % 60 < 50:
                self.colours[38 if number % 60 < 40 or 90 <= number < 98 else 48] = (number,)
            elif number in CLEARS:
                self.attributes -= CLEARS[number]
            else:
                self.attributes |= {number}

    def has_text(self) -> bool:
        return any(not character.isspace() for character, _ in self.cells.values())

    def text(self) -> str:
        """The characters, a line per row."""
        shown = lambda x, y: self.cells.get((x, y), " ")[0]
        return "\n".join("".join(shown(x, y) for x in range(COLUMNS)) for y in range(ROWS))


class Terminal:
    """A program that has a pseudo-terminal of 120 by 40 as its controlling terminal."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.spawned = time.perf_counter()
        self.child, self.master = pty.fork()
        if self.child == 0:
            become(command, environment)
        self.cells = Cells()
        # What was read and not yet taken in, cut where frames end.
        self.pieces: deque[tuple[float, bytes]] = deque()

    def chunks(self, seconds: float) -> Iterator[tuple[float, bytes]]:
        """What the program writes within the next seconds, with the time it was read at; less if the program ends."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                return
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                data = b""
            if not data:
                return
            yield time.perf_counter(), data

    def frames(self, seconds: float) -> Iterator[float]:
        """The times at which frames of the next seconds were complete; meanwhile the cells show each."""
        for at, data in self.chunks(seconds):
            self.pieces.extend((at, piece) for piece in cut(data))
            while self.pieces:
                at, piece = self.pieces.popleft()
                if self.cells.feed(piece):
                    yield at

    def show(self, seconds: float) -> None:
        """Lets it draw for some seconds."""
        for _ in self.frames(seconds):
            pass

    def until(self, words: str, seconds: float = 60.0) -> None:
        """Lets it draw until these words are to be seen."""
        if words in self.cells.text():
            return
        for _ in self.frames(seconds):
            if words in self.cells.text():
                return
        raise SystemExit(f"the screen does not show {words!r}:\n{self.cells.text()}")

    def drain(self, seconds: float) -> tuple[int, int]:
        """Reads for some seconds as a fast terminal does; how many bytes and frames came."""
        data = b"".join(data for _, data in self.chunks(seconds))
        return len(data), data.count(FRAME_END)

    def press(self, keys: bytes) -> float:
        """Types, and says when."""
        at = time.perf_counter()
        os.write(self.master, keys)
        return at

    def signal(self, number: int) -> None:
        os.kill(self.child, number)

    def stop(self) -> None:
        """SIGSTOP; returns when it has stopped."""
        self.signal(signal.SIGSTOP)
        os.waitpid(self.child, os.WUNTRACED)

    def close(self) -> None:
        """Ends the program, at once if it does not do so itself."""
        self.signal(signal.SIGTERM)
        for _ in self.chunks(SECONDS_TO_END):
            pass
        deadline = time.perf_counter() + SECONDS_TO_END
        while os.waitpid(self.child, os.WNOHANG)[0] == 0:
            if time.perf_counter() > deadline:
                self.signal(signal.SIGKILL)
            time.sleep(0.01)
        os.close(self.master)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def cut(data: bytes) -> list[bytes]:
    """In pieces, each up to the end of a frame."""
    *whole, rest = data.split(FRAME_END)
    return [piece + FRAME_END for piece in whole] + [rest]


def become(command: list[str], environment: dict[str, str]) -> None:
    """In the new process: sizes the terminal and becomes the program. Does not return."""
    try:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execve(command[0], command, environment)
    finally:
        os._exit(127)
