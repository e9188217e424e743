"""A name server on this machine that knows what a test tells it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dns import flags, message, rcode, rdatatype, rrset
from dns.exception import DNSException


def _bound() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    return bound


@dataclass
class NameServer:
    """Answers TXT questions from `records`, which a test may change; a name that is not in it does not exist.

    `silent` leaves questions without an answer; `broken` says that it cannot. `asked` are the names, in order.
    """

    records: dict[str, list[str]]
    silent: bool = False
    broken: bool = False
    asked: list[str] = field(default_factory=list)
    _socket: socket.socket = field(default_factory=_bound, repr=False)
    _ended: bool = False

    @property
    def port(self) -> int:
        """Its UDP port on 127.0.0.1."""
        return int(self._socket.getsockname()[1])

    @property
    def address(self) -> str:
        """What LLMOPS_DNS_SERVERS wants."""
        return f"127.0.0.1:{self.port}"

    def answer_all(self) -> None:
        """Answer until `end`."""
        while True:
            packet, sender = self._socket.recvfrom(4096)
            if self._ended:
                return
            try:
                question = message.from_wire(packet)
            except DNSException:
                continue
            name = question.question[0].name.to_text().rstrip(".").lower()
            self.asked.append(name)
            if not self.silent:
                self._socket.sendto(self._answer(question, name).to_wire(), sender)

    def end(self) -> None:
        """Make `answer_all` return: a packet of nothing wakes it up."""
        self._ended = True
        self._socket.sendto(b"", ("127.0.0.1", self.port))

    def _answer(self, question: message.Message, name: str) -> message.Message:
        answer = message.make_response(question)
        answer.flags |= flags.RA
        if self.broken:
            answer.set_rcode(rcode.SERVFAIL)
        elif name not in self.records:
            answer.set_rcode(rcode.NXDOMAIN)
        elif question.question[0].rdtype == rdatatype.TXT and self.records[name]:
            texts = [_quoted(text) for text in self.records[name]]
            answer.answer.append(rrset.from_text(question.question[0].name, 60, "IN", "TXT", *texts))
        return answer


def _quoted(text: str) -> str:
    """The text as a zone file has it: in pieces of 255 bytes."""
    pieces = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)


@contextmanager
def dns(records: dict[str, list[str]]) -> Iterator[NameServer]:
    """A name server for the length of the block."""
    server = NameServer({name.lower(): texts for name, texts in records.items()})
    thread = threading.Thread(target=server.answer_all, name="name-server", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join(timeout=5)
        server._socket.close()
