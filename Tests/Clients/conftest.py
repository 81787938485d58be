# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the mock upstream, LiteLLM, one gateway in front of all kinds of providers, and the SDKs' clients.

`--target mock` (or `litellm`) runs the SDK suites straight against the mock upstream instead of the gateway: that
proves the expectations themselves. Tests that ask for what only the gateway gives take the `gateway` fixture, and are
skipped there.
"""

from __future__ import annotations

import dataclasses
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import hypothesis
import pytest

import litellm_proxy
from certificates import Authority
from gateway import Gateway, binary
from litellm_proxy import LiteLLM
from mock_upstream import MockUpstream, Record
from sdk import SDK, Loop

# What the mock upstream sees as the caller's credential; no client ever may (row H7).
CANARY = "sk-canary-Zq8vT3xW9pLm2NbR7cYd"

for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(variable, None)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of provider behind the gateway, as a test sees it."""

    name: str  # builtin, openai, anthropic, litellm
    model: str  # for chat and messages
    mock: bool = True  # whether the mock upstream is at the end of it
    upstream: str = "mock-small"  # what the mock upstream is to be asked for

    @property
    def is_direct(self) -> bool:
        """The mock upstream is the provider itself, with nothing of others between."""
        return self.mock and self.name != "litellm"

    def __str__(self) -> str:
        return self.name


KINDS = [
    Kind("builtin", "echo", mock=False),
    Kind("openai", "openai-small"),
    Kind("anthropic", "anthropic-small"),
    Kind("litellm", "litellm-through"),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--target", choices=["gateway", "mock", "litellm"], default="gateway")
    parser.addoption("--repeat", type=int, default=1, help="run each test marked `prove` so many times")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "prove: about time or chance; `make prove` runs it longer")
    config.addinivalue_line("markers", "once: long by itself; `make prove` does not repeat it")
    config.addinivalue_line("markers", "kinds(*names): run for these kinds of providers only; say why beside it")
    config.addinivalue_line("markers", "kinds_except(*names): leave these kinds out; say why beside it")


# Random tests: a tenth of a minute in every run, some minutes in `make prove`.
hypothesis.settings.register_profile("usual", max_examples=400, print_blob=True)
hypothesis.settings.register_profile("prove", max_examples=20_000, print_blob=True)
hypothesis.settings.load_profile("usual")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    repeat = metafunc.config.getoption("--repeat")
    is_once = metafunc.definition.get_closest_marker("once") is not None
    if repeat > 1 and not is_once and not hasattr(metafunc.function, "hypothesis"):
        metafunc.fixturenames.append("_round")
        metafunc.parametrize("_round", range(repeat))
    if "kind" not in metafunc.fixturenames:
        return
    target = metafunc.config.getoption("--target")
    kinds = KINDS if target == "gateway" else [Kind(target, "mock-small" if target == "mock" else "through")]
    for marker in metafunc.definition.iter_markers("kinds"):
        kinds = [kind for kind in kinds if kind.name in marker.args or target != "gateway"]
    for marker in metafunc.definition.iter_markers("kinds_except"):
        kinds = [kind for kind in kinds if kind.name not in marker.args]
    metafunc.parametrize("kind", kinds, ids=str)


# Fixtures that start the binary or judge it.
OF_THE_GATEWAY = {"gateway", "make_gateway", "walked", "described", "servers", "weak"}

# What a test has that asks whatever is under test; any other says nothing about the mock upstream.
OF_ANYBODY = {"sdk", "http", "mock_server", "upstream"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place_of(item.path.stem))
    if config.getoption("--target") == "gateway":
        return
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if OF_THE_GATEWAY & fixtures or not OF_ANYBODY & fixtures:
            item.add_marker(pytest.mark.skip(reason="needs the gateway"))


# Side by side (`-n 3`): a file's tests stay in one worker, in their order, with the servers that they share. Files that look at the
# whole host (mounts, control groups) stay together, and the longest come first so that none is left over at the end.
TOGETHER = {"test_sandbox": "sandbox", "test_code_interpreter": "sandbox"}
LONGEST_FIRST = ["people", "sandbox", "tls", "code_interpreter", "store", "sweep", "audit", "key_management", "slow", "account", "masking"]


def place_of(file: str) -> int:
    """The place of a file among those that are begun first."""
    found = (place for place, name in enumerate(LONGEST_FIRST) if file.startswith(f"test_{name}"))
    return next(found, len(LONGEST_FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return next((group for start, group in TOGETHER.items() if file.startswith(start)), file)

    return ByFile(config, log)


# Ground.


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="session")
def authority(scratch: Path) -> Authority:
    made = Authority(scratch)
    # The SDKs stay as they come: they trust what the environment tells OpenSSL to trust.
    os.environ["SSL_CERT_FILE"] = str(made.certificate)
    return made


@pytest.fixture(scope="session")
def trust(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.certificate))


@pytest.fixture(scope="session")
def server_certificate(authority: Authority) -> tuple[str, str]:
    return authority.leaf("gatehouse")


@pytest.fixture(scope="session")
def mock_server(authority: Authority) -> Iterator[MockUpstream]:
    with MockUpstream(*authority.leaf("upstream")) as upstream:
        yield upstream


@pytest.fixture
def upstream(mock_server: MockUpstream) -> Iterator[MockUpstream]:
    """The mock upstream with nothing seen yet. A fault of its own fails the test."""
    mock_server.clear()
    yield mock_server
    faults, mock_server.faults = mock_server.faults, []
    assert not faults, f"the mock upstream failed: {faults!r}"


@pytest.fixture(scope="session")
def litellm(scratch: Path, mock_server: MockUpstream) -> Iterator[LiteLLM | None]:
    if litellm_proxy.program() is None:
        yield None
        return
    with LiteLLM(scratch, mock_server.plain_url) as proxy:
        yield proxy


# Gateways.


def providers(mock: MockUpstream, authority: Authority, litellm: LiteLLM | None, **more: Any) -> dict[str, Any]:
    """Sections and environment of a gateway with every kind of provider. `more` goes into each network provider."""
    # Tests make providers fail for a living.
    remote = {"ca": str(authority.certificate), "breaker_failures": 0, "retries": 0, **more}
    listed: list[dict[str, Any]] = [
        {"name": "builtin", "kind": "builtin", "breaker_failures": 0},
        {"name": "openai", "kind": "openai", "base_url": f"{mock.url}/v1", "key": "env:CANARY_OPENAI", **remote},
        {
            "name": "anthropic",
            "kind": "anthropic",
            "base_url": f"{mock.url}/v1",
            "key": "env:CANARY_ANTHROPIC",
            **remote,
        },
    ]
    models = [
        {"name": "echo", "provider": "builtin", "upstream": "echo"},
        {"name": "openai-small", "provider": "openai", "upstream": "mock-small"},
        {"name": "mock-large", "provider": "openai", "upstream": "mock-large"},
        {"name": "openai-embedding", "provider": "openai", "upstream": "mock-embedding"},
        # The schema goes out in the protocol's own form here, so that a prompt's `/raw` can break it; as a forced tool below.
        {"name": "anthropic-small", "provider": "anthropic", "upstream": "mock-small", "schemas": "native"},
        {"name": "anthropic-tool", "provider": "anthropic", "upstream": "mock-small", "schemas": "tool"},
    ]
    if litellm is not None:
        listed.append(
            {"name": "litellm", "kind": "openai", "base_url": f"{litellm.url}/v1", "key": "env:CANARY_LITELLM", "breaker_failures": 0, "retries": 0, **more}
        )
        for name in ["through", "hello", "tool", "rate-limited", "broken", "too-long", "embedding"]:
            models.append({"name": f"litellm-{name}", "provider": "litellm", "upstream": name})
    return {"gateway.provider": listed, "gateway.model": models}


ENVIRONMENT = {"CANARY_OPENAI": CANARY, "CANARY_ANTHROPIC": CANARY, "CANARY_LITELLM": litellm_proxy.KEY}


@pytest.fixture(scope="session")
def gateway(
    request: pytest.FixtureRequest,
    scratch: Path,
    server_certificate: tuple[str, str],
    authority: Authority,
    mock_server: MockUpstream,
    litellm: LiteLLM | None,
) -> Iterator[Gateway]:
    """The gateway of the whole run: every kind of provider, limits out of the way."""
    if not binary().exists():
        pytest.exit(f"there is no {binary()}: build it first, or set GATEHOUSE_BINARY", returncode=3)
    directory = scratch / "gateway"
    directory.mkdir(mode=0o700)
    server = Gateway(
        directory, server_certificate, authority.certificate, providers(mock_server, authority, litellm), ENVIRONMENT
    )
    with server:
        yield server
    log = server.logs()
    assert CANARY not in log, "the provider's key stands in the log"
    assert litellm_proxy.KEY not in log, "LiteLLM's key stands in the log"


@pytest.fixture
def make_gateway(
    tmp_path: Path, server_certificate: tuple[str, str], authority: Authority, mock_server: MockUpstream
) -> Iterator[Any]:
    """Makes further gateways, not yet started: `make_gateway({"limiter": {"requests_per_hour": 20}})`. They have the
    builtin and the mock upstream's providers; `provider` adds keys to the latter. What still runs is stopped."""
    made: list[Gateway] = []

    def make(tables: dict[str, Any] | None = None, provider: dict[str, Any] | None = None) -> Gateway:
        directory = tmp_path / f"gateway{len(made)}"
        directory.mkdir(mode=0o700)
        usual = providers(mock_server, authority, None, **(provider or {}))
        server = Gateway(
            directory, server_certificate, authority.certificate, {**usual, **(tables or {})}, dict(ENVIRONMENT)
        )
        made.append(server)
        return server

    yield make
    for server in made:
        server.kill()


# What a test calls.


@dataclasses.dataclass
class House:
    """Whatever is under test: where it is and how to get in."""

    base: str
    key: str
    is_gateway: bool


@pytest.fixture(scope="session")
def house(request: pytest.FixtureRequest) -> House:
    target = request.config.getoption("--target")
    if target == "mock":
        return House(request.getfixturevalue("mock_server").url, "sk-anything", False)
    if target == "litellm":
        return House(request.getfixturevalue("litellm").url, litellm_proxy.KEY, False)
    server: Gateway = request.getfixturevalue("gateway")
    return House(server.base, server.create_key("suite").key, True)


@pytest.fixture(autouse=True)
def _whole(request: pytest.FixtureRequest) -> Iterator[None]:
    """A kind that cannot run is said so, once a test; and the gateway must outlive every test."""
    kind = request.node.callspec.params.get("kind") if hasattr(request.node, "callspec") else None
    if kind is not None and kind.name == "litellm" and litellm_proxy.program() is None:
        pytest.skip("LiteLLM is not installed (make test installs it)")
    yield
    server = request.node.funcargs.get("gateway")
    if server is not None and server.process.poll() is not None:
        pytest.exit(f"the gateway died ({server.process.returncode}):\n{server.logs()[-6000:]}", returncode=4)


@pytest.fixture(scope="session")
def sdk_loop() -> Loop:
    return Loop()


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, house: House, sdk_loop: Loop) -> Iterator[SDK]:
    made = SDK(request.param, house.base, house.key, sdk_loop)
    yield made
    made.close()


@pytest.fixture
def openai_client(sdk: SDK) -> Any:
    return sdk.openai()


@pytest.fixture
def anthropic_client(sdk: SDK) -> Any:
    return sdk.anthropic()


@pytest.fixture
def http(house: House, trust: ssl.SSLContext) -> Iterator[httpx2.Client]:
    """Raw requests, with the key of the suite as a bearer token."""
    headers = {"authorization": f"Bearer {house.key}"}
    with httpx2.Client(base_url=house.base, headers=headers, verify=trust, timeout=30) as client:
        yield client


@pytest.fixture
def seen(upstream: MockUpstream, kind: Kind) -> Any:
    """The last request the mock upstream got, or None behind a provider that does not lead there."""

    def last() -> Record | None:
        return upstream.last if kind.mock else None

    return last
