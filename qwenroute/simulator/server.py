"""The HTTP server: DashScope's compatible mode per region, and a self-hosted server beside it."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from qwenroute.domain.capability import RateLimits
from qwenroute.domain.endpoint import Served
from qwenroute.domain.request import Kind
from qwenroute.registry import Registry
from qwenroute.simulator.answers import Answer, Lengths, compose
from qwenroute.simulator.call import Body, Call, read_chat, read_completion
from qwenroute.simulator.catalogue import SELF_HOSTED, Catalogue
from qwenroute.simulator.delivery import MARK, Delivery, reset, respond
from qwenroute.simulator.embeddings import read_batch, vectors
from qwenroute.simulator.error_table import Refused, encode
from qwenroute.simulator.faults import ConnectionReset, EmptyAnswer, ErrorIn200, Fault, FaultScript, Status, error_body
from qwenroute.simulator.throttle import Throttle

MAX_BODY_BYTES = 64 * 2**20
COMPLETIONS_REGION = "cn-beijing"
"""Fill-in-the-middle is offered in Beijing only (facts: features.fim, source ms-completions)."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answering = Callable[[web.Request, Body, Fault | None, str], Awaitable[web.StreamResponse]]
"""Answers a request, given its body, its fault and its id, or raises Refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request that reached the server."""

    number: int
    """From 1, in order of arrival."""
    method: str
    path: str
    region: str
    """Of the platform, or `self_hosted`."""
    headers: Mapping[str, str]
    """Names in lower case; the value of `authorization` is left out."""
    body: Mapping[str, object]

    @property
    def model(self) -> str:
        """The id that was asked for."""
        return str(self.body.get("model", ""))


class Simulator:
    """A local DashScope that behaves, and on demand misbehaves, like the real one.

    ```python
    async with Simulator(time_scale=0) as simulator:
        client = AsyncOpenAI(base_url=simulator.dashscope_url(), api_key="sk-sim")
    ```

    The same seed and the same requests in the same order give the same bytes.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        region: str = "intl-singapore",
        on: date | None = None,
        seed: int = 0,
        time_scale: float = 1.0,
        keys: Collection[str] | Mapping[str, Collection[str]] | None = None,
        rate_limits: bool = True,
        rpm: Mapping[str, int] | None = None,
        tpm: Mapping[str, int] | None = None,
        per_second: bool = False,
        burst: int | None = None,
        served: Sequence[Served] | None = None,
        strict: bool = True,
        answer_tokens: tuple[int, int] = (24, 72),
        thinking_tokens: tuple[int, int] = (12, 36),
        tokens_a_chunk: int = 4,
        keep_requests: int = 1_000,
        registry: Registry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a simulator; nothing listens yet.

        Args:
            host: where to listen.
            port: 0 takes a free one.
            region: of the platform that answers below `/compatible-mode/v1`; the other regions
                answer below `/REGION/compatible-mode/v1`.
            on: the date that decides which ids are alive; today unless given.
            seed: what answers and their lengths follow from.
            time_scale: 1 waits as long as the registry expects the model to take, 0 not at all.
            keys: accepted keys, for all regions or per region; unless given, any that begins with
                `sk-sim`. The self-hosted server takes any key or none, unless the mapping has an
                entry `self_hosted`.
            rate_limits: whether the limits of the registry hold.
            rpm: requests per minute by wire id (`*`: every other), in place of the registry's.
            tpm: tokens per minute likewise.
            per_second: hold a sixtieth of the limits per second too, as the platform does.
            burst: requests per second and model before `limit_burst_rate` is answered.
            served: what the self-hosted server serves; unless given, every open-weight model.
            strict: refuse `reasoning_content` that is sent back in the history.
            answer_tokens: shortest and longest answer.
            thinking_tokens: shortest and longest thinking.
            tokens_a_chunk: how many tokens each chunk of a stream carries.
            keep_requests: how many arrivals `requests` holds.
            registry: the facts; the shipped ones unless given.
            clock: what the minute of the limits is measured by.
        """
        if time_scale < 0:
            raise ValueError(f"`time_scale` must not be negative, and is {time_scale}")
        self._registry = Registry.load() if registry is None else registry
        if region not in self._registry.regions:
            raise ValueError(f"unknown region `{region}`; known: {', '.join(self._registry.regions)}")
        self.region = region
        self.on = datetime.now(UTC).date() if on is None else on
        self.seed = seed
        self._host = host
        self._port = port
        self._keys = keys
        self._rate_limits = rate_limits
        self._rpm = rpm or {}
        self._tpm = tpm or {}
        self._strict = strict
        self._lengths = Lengths(answer=answer_tokens, thinking=thinking_tokens)
        self._created = int(datetime(self.on.year, self.on.month, self.on.day, tzinfo=UTC).timestamp())
        self._delivery = Delivery(time_scale=time_scale, created=self._created, tokens_a_chunk=tokens_a_chunk)
        self._catalogue = Catalogue(self._registry, self.on, served)
        self._throttle = Throttle(clock, per_second=per_second, burst=burst)
        self._faults = FaultScript()
        self._lock = threading.Lock()
        self._arrivals: deque[Arrival] = deque(maxlen=keep_requests)
        self._count = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The server's root."""
        if self._runner is None:
            raise RuntimeError("the simulator is not running; use it as a context manager")
        return f"http://{self._host}:{self._port}"

    def dashscope_url(self, region: str | None = None) -> str:
        """Return the base URL of a region, the default one unless given."""
        if region is None:
            return f"{self.url}/compatible-mode/v1"
        if region not in self._registry.regions:
            raise ValueError(f"unknown region `{region}`; known: {', '.join(self._registry.regions)}")
        return f"{self.url}/{region}/compatible-mode/v1"

    @property
    def self_hosted_url(self) -> str:
        """The base URL of the self-hosted server."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[Arrival]:
        """What has arrived, oldest first."""
        with self._lock:
            return list(self._arrivals)

    def clear_requests(self) -> None:
        """Forget what has arrived."""
        with self._lock:
            self._arrivals.clear()

    def fail(
        self,
        model: str,
        fault: Fault | str,
        *,
        times: int | None = None,
        after: int = 0,
        region: str | None = None,
        path: str | None = None,
    ) -> None:
        """Make requests for a model (`*`: any) go wrong; see `FaultScript.add`."""
        self._faults.add(model, fault, times=times, after=after, region=region, path=path)

    def clear_faults(self) -> None:
        """Let everything succeed again."""
        self._faults.clear()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/healthz", self._health)
        self._mount(app, "/compatible-mode/v1", self.region)
        for region in self._registry.regions:
            self._mount(app, f"/{region}/compatible-mode/v1", region)
        self._mount(app, "/v1", SELF_HOSTED)
        # A client that leaves cancels its handler: a stalled answer holds nothing up.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
            await site.start()
        except BaseException:
            await self._runner.cleanup()
            self._runner = None
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._delivery.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _mount(self, app: web.Application, prefix: str, region: str) -> None:
        app.router.add_post(f"{prefix}/chat/completions", self._handler(region, self._generating(region, Kind.CHAT)))
        app.router.add_post(f"{prefix}/completions", self._handler(region, self._generating(region, Kind.COMPLETION)))
        app.router.add_post(f"{prefix}/embeddings", self._handler(region, self._embedding(region)))
        app.router.add_get(f"{prefix}/models", self._listing(region))

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "simulated": True}, headers=MARK)

    def _listing(self, region: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            request_id = self._arrive(request, region, {})
            try:
                self._authenticate(request, region)
            except Refused as refused:
                return self._refuse(refused, region, request_id)
            data = [
                {"id": name, "object": "model", "created": self._created, "owned_by": "simulated"}
                for name in self._catalogue.ids(region)
            ]
            return respond(encode({"object": "list", "data": data}), request_id)

        return handle

    def _handler(self, region: str, answer: Answering) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            body: Body = {}
            problem: Refused | None = None
            try:
                body = _decode(await request.read())
            except Refused as refused:
                problem = refused
            except web.HTTPRequestEntityTooLarge:
                problem = Refused("body-too-large")
            request_id = self._arrive(request, region, body)
            model = str(body.get("model", ""))
            fault = self._faults.take(model, region=region, path=request.path)
            match fault:
                case Status():
                    return respond(fault.body(request_id), request_id, status=fault.code, headers=fault.headers())
                case ConnectionReset():
                    return reset(request)
                case ErrorIn200() if body.get("stream") is not True:
                    native = error_body(fault.code, fault.message, request_id, native=fault.code)
                    return respond(native, request_id)
            try:
                self._authenticate(request, region)
                if problem is not None:
                    raise problem
                return await answer(request, body, fault, request_id)
            except Refused as refused:
                return self._refuse(refused, region, request_id)

        return handle

    def _generating(self, region: str, kind: Kind) -> Answering:
        async def answer(request: web.Request, body: Body, fault: Fault | None, request_id: str) -> web.StreamResponse:
            call = self._read(body, region, request.path, kind)
            answers = self._compose(call, fault)
            response = await self._delivery.send(request, call, answers, fault, request_id)
            self._throttle.settle(region, call.model, sum(a.tokens for a in answers))
            return response

        return answer

    def _embedding(self, region: str) -> Answering:
        async def answer(request: web.Request, body: Body, fault: Fault | None, request_id: str) -> web.StreamResponse:
            batch = read_batch(body, _model(body), region=None if region == SELF_HOSTED else region)
            self._throttle.admit(region, batch.model, self._limits(RateLimits(), batch.model), batch.tokens)
            if isinstance(fault, EmptyAnswer):
                batch = replace(batch, texts=())
            return await self._delivery.send_whole(request, vectors(batch, id_=request_id), fault, request_id)

        return answer

    def _arrive(self, request: web.Request, region: str, body: Body) -> str:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "authorization" in headers:
            headers["authorization"] = "Bearer …"
        with self._lock:
            self._count += 1
            number = self._count
            self._arrivals.append(
                Arrival(
                    number=number, method=request.method, path=request.path, region=region, headers=headers, body=body
                )
            )
        return f"sim-{self.seed}-{number}"

    def _authenticate(self, request: web.Request, region: str) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        accepted = self._keys
        if isinstance(accepted, Mapping):
            accepted = accepted.get(region, None if region == SELF_HOSTED else ())
        elif region == SELF_HOSTED:
            accepted = None
        if accepted is None and region == SELF_HOSTED:
            return
        known = key.startswith("sk-sim") if accepted is None else key in accepted
        if not known or scheme.lower() != "bearer":
            raise Refused("invalid-api-key")

    def _read(self, body: Body, region: str, path: str, kind: Kind) -> Call:
        model = _model(body)
        if kind is Kind.COMPLETION and region not in {COMPLETIONS_REGION, SELF_HOSTED}:
            raise Refused("not-found", f"{path} is not offered in this region")
        deployment = self._catalogue.find(region, model)
        if kind is Kind.CHAT:
            call = read_chat(body, deployment, model, strict=self._strict)
        else:
            call = read_completion(body, deployment, model)
        self._throttle.admit(region, model, self._limits(deployment.rate_limits, model), call.prompt_tokens.total)
        return call

    def _limits(self, published: RateLimits, model: str) -> RateLimits:
        facts = published if self._rate_limits else RateLimits()
        return RateLimits(
            rpm=self._rpm.get(model, self._rpm.get("*", facts.rpm)),
            tpm=self._tpm.get(model, self._tpm.get("*", facts.tpm)),
        )

    def _compose(self, call: Call, fault: Fault | None) -> list[Answer]:
        if isinstance(fault, EmptyAnswer):
            return [Answer()] * call.choices
        return [compose(call, seed=self.seed, index=i, lengths=self._lengths) for i in range(call.choices)]

    def _refuse(self, refused: Refused, region: str, request_id: str) -> web.Response:
        error = refused.error
        if region != SELF_HOSTED:
            body = error.body(request_id, message=refused.message)
            return respond(body, request_id, status=error.status)
        if error.status == 401:
            return respond(encode({"error": "Unauthorized"}), request_id, status=401)
        kind = {400: "BadRequestError", 404: "NotFoundError", 429: "RateLimitError"}.get(
            error.status, "InternalServerError"
        )
        inner = {"message": refused.message, "type": kind, "param": None, "code": error.status}
        return respond(encode({"error": inner}), request_id, status=error.status)


def _model(body: Body) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refused("empty-model")
    return model


def _decode(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused("malformed-request", "Request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refused("malformed-request", "Request body is not a JSON object.")
    return body
