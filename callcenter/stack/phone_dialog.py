"""The SIP dialog of one test call: its next request, its replies. PURE (RFC 3261 12, 8.2.6)."""

from dataclasses import dataclass

from callcenter.stack.phone_sip import (
    Headers,
    Request,
    Response,
    contact_uri,
    header,
    optional_header,
    tag_of,
    user_of,
)

ALLOW = "INVITE,ACK,BYE,CANCEL,OPTIONS,UPDATE,INFO"


@dataclass(slots=True)
class Dialog:
    """Who talks to whom (RFC 3261 12); `remote` gains the tag with the first answer that has one."""

    call_id: str
    local: str
    remote: str
    target: str
    contact: str
    cseq: int = 1

    def request(self, method: str, body: str = "", number: int | None = None) -> Request:
        """The next request in this dialog; ACK takes the number of its INVITE."""
        if number is None:
            self.cseq += 1
            number = self.cseq
        headers: Headers = (
            ("max-forwards", "70"),
            ("from", self.local),
            ("to", self.remote),
            ("call-id", self.call_id),
            ("cseq", f"{number} {method}"),
            ("contact", self.contact),
            ("allow", ALLOW),
        )
        if body:
            headers = (*headers, ("content-type", "application/sdp"))
        return Request(method, self.target, headers, body)

    def learn(self, response: Response) -> None:
        """Take the other side's tag and contact from an answer."""
        if tag_of(header(response, "to")):
            self.remote = header(response, "to")
        self.target = contact_uri(response) or self.target


def reply(request: Request, status: int, reason: str, *, tag: str, contact: str, body: str = "") -> Response:
    """A response to `request`: Via, From, To (with our tag), Call-ID and CSeq copied (RFC 3261 8.2.6)."""
    to = header(request, "to")
    headers: Headers = (
        *((name, value) for name, value in request.headers if name == "via"),
        ("from", header(request, "from")),
        ("to", to if tag_of(to) else f"{to};tag={tag}"),
        ("call-id", header(request, "call-id")),
        ("cseq", header(request, "cseq")),
        ("contact", contact),
        ("allow", ALLOW),
    )
    if body:
        headers = (*headers, ("content-type", "application/sdp"))
    return Response(status, reason, headers, body)


def caller_number(request: Request) -> str:
    """The number shown to the one who is called: the user part of From, or `anonymous`."""
    return user_of(optional_header(request, "from")) or "anonymous"
