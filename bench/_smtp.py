"""A mail server that misbehaves, as a process that can be killed: ``_smtp.py PORT LOG SEED``.

What it takes over it writes to the log first, then it answers; so the log says what would have been
delivered, whatever is killed.  One line a message: the number of the ledger's row.
"""

import os
import random
import re
import socket
import sys
import threading
import time
from contextlib import suppress

PACE_SECONDS = 0.004  # a message takes it so long
DEAD = 97  # each so many-th recipient does not exist
FAULTS = {  # how often, of all messages
    "421 at MAIL": 0.004,
    "450 at RCPT": 0.012,
    "drops at DATA": 0.003,
    "drops after taking": 0.008,
    "drops instead of taking": 0.004,
    "451 to the content": 0.004,
    "421 to the content": 0.003,
    "stalls": 0.002,
    "never answers": 0.0006,
}
STALL_SECONDS, FOR_EVER_SECONDS = 6, 3_600
OK = b"250 2.0.0 Ok\r\n"


class Conversation:
    def __init__(self, link: socket.socket, log: int, chance: random.Random) -> None:
        self.link, self.log, self.chance = link, log, chance
        self.lines = link.makefile("rb", buffering=1 << 18)

    def hold(self) -> None:
        self.say(b"220 sink ESMTP\r\n")
        while line := self.lines.readline():
            verb, words = line[:4].upper(), line.decode("ascii", "replace")
            if verb == b"EHLO":
                self.say(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"MAIL" and self.meets("421 at MAIL"):
                self.say(b"421 4.3.2 closing\r\n")
                return
            elif verb == b"RCPT":
                self.say(self.about(words))
            elif verb == b"DATA":
                if not self.content():
                    return
            elif verb == b"QUIT":
                self.say(b"221 2.0.0 Bye\r\n")
                return
            else:
                self.is_known = True
                self.say(OK)

    def about(self, words: str) -> bytes:
        found = re.search(r"<c(\d+)@", words)
        self.is_known = False
        if found and int(found.group(1)) % DEAD == 0:
            return b"550 5.1.1 no such user\r\n"
        if self.meets("450 at RCPT"):
            return b"450 4.2.0 greylisted\r\n"
        self.is_known = True
        return OK

    def content(self) -> bool:
        """Take one message; false when the connection ends with it."""
        if not self.is_known:
            self.say(b"554 5.5.1 no valid recipients\r\n")
            return True
        if self.meets("drops at DATA"):
            return False
        self.say(b"354 go on\r\n")
        number = b""
        while (line := self.lines.readline()) != b".\r\n":
            if not line:
                return False
            if line.startswith(b"Message-ID:"):
                number = re.search(rb"rapport-(\d+)", line).group(1)  # type: ignore[union-attr]
        time.sleep(PACE_SECONDS)
        for what, answer in (
            ("drops instead of taking", b""),
            ("451 to the content", b"451 4.3.0 later\r\n"),
            ("421 to the content", b"421 4.3.2 closing\r\n"),
        ):
            if self.meets(what):
                self.say(answer)
                return answer.startswith(b"451")
        os.write(self.log, number + b"\n")
        if self.meets("drops after taking"):
            return False
        if self.meets("stalls"):
            time.sleep(STALL_SECONDS)
        if self.meets("never answers"):
            time.sleep(FOR_EVER_SECONDS)
        self.say(OK)
        return True

    def meets(self, what: str) -> bool:
        return self.chance.random() < FAULTS[what]

    def say(self, words: bytes) -> None:
        self.link.sendall(words)


def serve(link: socket.socket, log: int, chance: random.Random) -> None:
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        Conversation(link, log, chance).hold()
    except OSError:
        pass
    finally:
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)  # the reader holds the connection open
        link.close()


def main() -> None:
    port, log, seed = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    kept = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    listening = socket.create_server(("127.0.0.1", port), backlog=64)
    number = 0
    while True:
        link, _address = listening.accept()
        number += 1
        chance = random.Random(f"{seed} {number}")
        threading.Thread(target=serve, args=(link, kept, chance), daemon=True).start()


if __name__ == "__main__":
    main()
