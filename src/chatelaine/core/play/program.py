"""Programs of the play: what clients show of themselves, in the order and case in which they send it.

Shapes of SDKs' and tools' heads are those that Chatelaine recorded of them; builds move what builds
move: the version in the agent always, a header now and then, the TLS library rarely.
"""

from hashlib import sha256
from typing import Final

from msgspec import Struct

from chatelaine.core.play.chance import Chance
from chatelaine.model.exchange import Client, Greeting, Network


class Program(Struct, frozen=True):
    """One build of a program."""

    name: str
    agent: str
    header_names: str
    header_hash: str
    ja4: str
    alpn: str
    sdk: tuple[tuple[str, str], ...] = ()
    server_name: str = "gate.example"
    build: int = 0

    def on(self, network: Network) -> Client:
        """Return the client context of this program at an address."""
        return Client(
            network=network,
            greeting=Greeting(self.ja4, "TLSv1.3", self.alpn, self.server_name),
            http_version="1.1",
            header_names=self.header_names,
            header_hash=self.header_hash,
            user_agent=self.agent,
            sdk=self.sdk,
        )


class _Kind(Struct, frozen=True):
    """What all builds of a program have in common."""

    agent: str
    """With ``{}`` for the version."""
    headers: str
    stack: str
    """The TLS library: programs of one stack and build share their JA4."""
    start: str
    """The readable part of its JA4."""
    optional: str = ""
    """A header that some builds send."""
    sdk: tuple[tuple[str, str], ...] = ()


_PYTHON: Final = ("cpython", "t13d3111h1")
_NODE: Final = ("node", "t13d5911h1")
_CURL: Final = ("curl", "t13d3112h2")
_GO: Final = ("go", "t13d1911h2")
_JAVA: Final = ("java", "t13d4911h2")
_STAINLESS: Final = (
    "x-stainless-lang,x-stainless-package-version,x-stainless-os,x-stainless-arch,"
    "x-stainless-runtime,x-stainless-runtime-version,x-stainless-async,x-stainless-retry-count"
)
_BODY: Final = "Content-Length"

_KINDS: Final[dict[str, _Kind]] = {
    "openai-python": _Kind(
        "OpenAI/Python 3.{}.0",
        f"Host,Accept-Encoding,Connection,authorization,accept,content-type,user-agent,{_STAINLESS},{_BODY}",
        *_PYTHON,
        "x-stainless-read-timeout",
        (("x-stainless-lang", "python"), ("x-stainless-os", "Linux"), ("x-stainless-runtime", "CPython")),
    ),
    "openai-node": _Kind(
        "OpenAI/JS 7.{}.0",
        f"accept,content-type,user-agent,{_STAINLESS},authorization,host,connection,{_BODY}",
        *_NODE,
        "x-stainless-timeout",
        (("x-stainless-lang", "js"), ("x-stainless-os", "Linux"), ("x-stainless-runtime", "node")),
    ),
    "litellm": _Kind(
        "litellm/1.{}.0", f"Host,Accept,Accept-Encoding,Connection,User-Agent,Authorization,{_BODY}", *_PYTHON
    ),
    "requests": _Kind(
        "python-requests/2.{}.1",
        f"Host,User-Agent,Accept-Encoding,Accept,Connection,Authorization,{_BODY},Content-Type",
        *_PYTHON,
    ),
    "aiohttp": _Kind(
        "Python/3.11 aiohttp/3.{}.0",
        f"Host,Authorization,Accept,Accept-Encoding,User-Agent,{_BODY},Content-Type",
        *_PYTHON,
    ),
    "axios": _Kind(
        "axios/1.{}.0",
        f"Accept,Content-Type,Authorization,User-Agent,{_BODY},Accept-Encoding,Host,Connection",
        *_NODE,
    ),
    "curl": _Kind("curl/8.{}.0", f"Host,User-Agent,Accept,Authorization,Content-Type,{_BODY}", *_CURL),
    "go": _Kind(
        "Go-http-client/1.{}", f"Host,User-Agent,{_BODY},Authorization,Content-Type,Accept-Encoding", *_GO
    ),
    "okhttp": _Kind(
        "okhttp/4.{}.0",
        f"Authorization,Content-Type,{_BODY},Host,Connection,Accept-Encoding,User-Agent",
        *_JAVA,
    ),
}
NAMES: Final = tuple(_KINDS)
OWNERS_OWN: Final = ("openai-python", "openai-node", "litellm", "requests", "aiohttp", "go", "okhttp")
"""Programs that owners' services are written with."""
BY_HAND: Final = ("curl", "requests", "openai-python", "openai-node")
"""Programs that developers try things with."""
THIEVES_OWN: Final = ("axios", "curl", "aiohttp", "go", "requests")

_BROWSERS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/{}.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/{}.0.0.0 Mobile Safari/537.36",
)
_TONGUES: Final = ("en-US,en;q=0.9", "de-DE,de;q=0.9", "fr-FR,fr;q=0.8", "pt-BR,pt;q=0.9", "ja,en;q=0.7")
_PROXIED: Final = f"host,content-type,authorization,user-agent,accept-language,origin,referer,{_BODY}"
_FIRST_VERSION: Final = 20
_TLS_BUILDS: Final = 7
_OPTIONAL_EVERY: Final = 5


def program(name: str, build: int) -> Program:
    """Return a build of a program; builds are numbered from 0.

    Raises:
        KeyError: there is no such program.
    """
    kind = _KINDS[name]
    version = str(_FIRST_VERSION + build)
    names = kind.headers
    if kind.optional and build % _OPTIONAL_EVERY >= _OPTIONAL_EVERY // 2:
        names = names.replace(f",{_BODY}", f",{kind.optional},{_BODY}")
    told = kind.sdk and (*kind.sdk, ("x-stainless-package-version", f"3.{version}.0"))
    return Program(
        name=name,
        agent=kind.agent.format(version),
        header_names=names,
        header_hash=_digest(names),
        ja4=_ja4(kind, build),
        alpn="h2,http/1.1" if kind.start.endswith("h2") else "http/1.1",
        sdk=told,
        build=build,
    )


def recorded(client: Client) -> Program:
    """Return the program that a gate once saw, so that it can be played as it is."""
    return Program(
        name="recorded",
        agent=client.user_agent,
        header_names=client.header_names,
        header_hash=client.header_hash,
        ja4=client.greeting.ja4,
        alpn=client.greeting.alpn,
        sdk=client.sdk,
        server_name=client.greeting.server_name,
    )


def proxied(chance: Chance, build: int, agents: int) -> tuple[Program, ...]:
    """Return what a reverse proxy shows of its users: many browsers' agents, one TLS library."""
    kind = _KINDS["axios"]
    made = []
    for _ in range(agents):
        agent = chance.pick(_BROWSERS).format(118 + chance.below(24))
        sdk = (("accept-language", chance.pick(_TONGUES)), ("origin", ""), ("referer", ""))
        made.append(Program("proxy", agent, _PROXIED, _digest(_PROXIED), _ja4(kind, build), "http/1.1", sdk))
    return tuple(made)


def _ja4(kind: _Kind, build: int) -> str:
    ciphers = _digest(kind.stack)
    return f"{kind.start}_{ciphers}_{_digest(f'{kind.stack} {build % _TLS_BUILDS}')}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
