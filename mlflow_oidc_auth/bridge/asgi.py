"""The gate in front of everything that uvicorn serves: Flask, native FastAPI routes, websockets.

It finds the one operation that a request asks for, learns who asks, and lets the request through or answers
it, before a byte of the body is read. Bodies are bounded here, and two are looked at: the spans of an OTLP
request, whose traces are named nowhere else, and the JSON of other native routes, which would take the last of
two equal keys.

SECURITY: nothing reaches MLflow around :meth:`GatedServer._http`. A websocket is refused, since none is
listed; whatever fails on the way is a refusal; a path that no router serves is answered here and not passed
on, so that a difference between our reading of it and MLflow's opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import anyio.to_thread
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from werkzeug.wrappers import Response

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.answers import Answers, send_response
from mlflow_oidc_auth.bridge.bodies import LARGEST_BODY, LARGEST_PUBLIC_BODY, has_body, is_json, replaying, whole
from mlflow_oidc_auth.bridge.caller import Caller
from mlflow_oidc_auth.bridge.messages import read_strictly
from mlflow_oidc_auth.bridge.passage import Passage, running
from mlflow_oidc_auth.bridge.probes import Probes
from mlflow_oidc_auth.bridge.routes import FASTAPI, FLASK
from mlflow_oidc_auth.bridge.routing import LiveRoutes, Routed
from mlflow_oidc_auth.bridge.spans import traces_in
from mlflow_oidc_auth.credentials import Credentials, NotIdentified
from mlflow_oidc_auth.database.engine import NO_ANSWER, unavailable
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound, Refusal, Unauthenticated
from mlflow_oidc_auth.gate import Gate, Source, settled_early
from mlflow_oidc_auth.operations.requirements import AllOf, OwnSpans, Probe, Public
from mlflow_oidc_auth.operations.targets import Target, Where
from mlflow_oidc_auth.permissions.verdicts import demand
from mlflow_oidc_auth.vocabulary import CredentialKind, Identity, Verdict

LOOKUPS_AT_ONCE = 40

_WORKSPACE = "X-MLFLOW-WORKSPACE"  # MLflow answers it with a 500 while workspaces are off

_LOG_IN = "Log in, or send a valid access key: e-mail as the username, key as the password."


class GatedServer:
    """MLflow's server behind the gate.

    Args:
        server: MLflow's ASGI application.
        routes: which operation a request asks for.
        credentials: who asks.
        gate: whether they may.
        answers: makes answers of refusals.
        probes: answers those who ask whether we are well.
        prefix: the static prefix, empty or `/path`.
        own_origin: scheme and host under which browsers reach us, where that is configured.
    """

    def __init__(
        self,
        server: ASGIApp,
        *,
        routes: LiveRoutes,
        credentials: Credentials,
        gate: Gate,
        answers: Answers,
        probes: Probes,
        prefix: str,
        own_origin: str | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._server = server
        self._routes = routes
        self._credentials = credentials
        self._gate = gate
        self._answers = answers
        self._probes = probes
        self._prefix = prefix
        self._own_origin = own_origin
        self._clock = clock
        self._lookups: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1008})
            case _:
                await self._server(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = _streaming(scope, self._prefix)
        caller = Caller.of(scope, get_route_path(scope), self._prefix)
        if self._prefix and caller.path in ("/", self._prefix) and not caller.writes:
            await send_response(Response(status=302, headers={"Location": f"{self._prefix}/"}), send, head=True)
            return
        routed = self._routes.find(scope)
        if routed is not None and routed.entry is not None and isinstance(routed.entry.requirement, Probe):
            await send_response(await self._probes.answer(caller.path), send, head=caller.method == "HEAD")
            return
        try:
            passage = await self._admit(caller, routed)
            receive = await self._read_body(passage, receive)
        except (Refusal, *NO_ANSWER) as error:
            refusal = error if isinstance(error, Refusal) else unavailable(error)
            await send_response(self._answers.to(refusal, caller), send, head=caller.method == "HEAD")
            return
        if passage.identity is not None:
            scope.setdefault("state", {})["username"] = passage.identity.username
        on_its_way, seeing = running.set(passage), context.enter(passage.view())
        try:
            await self._server(scope, receive, _with_cookies(passage, send))
        finally:
            context.leave(seeing)
            running.reset(on_its_way)

    # --- who asks for what -----------------------------------------------------------------------

    async def _admit(self, caller: Caller, routed: Routed | None) -> Passage:
        """The passage of a request, as far as method, path and headers settle it.

        Raises:
            Refusal: it may not pass.
        """
        if _WORKSPACE in caller.headers:
            raise BadRequest(f"This server has no workspaces: leave out the header {_WORKSPACE}.")
        entry = None if routed is None else routed.entry
        if routed is not None and entry is not None and isinstance(entry.requirement, Public):
            return Passage(caller, routed, None, settled=True)
        if self._lookups is None:
            self._lookups = anyio.CapacityLimiter(LOOKUPS_AT_ONCE)
        return await anyio.to_thread.run_sync(self._judge, caller, routed, limiter=self._lookups)

    def _judge(self, caller: Caller, routed: Routed | None) -> Passage:
        identity = self._identity(caller)
        if routed is None:
            raise NotFound("There is nothing at this address.")
        if caller.writes and identity.credential.kind is CredentialKind.SESSION:
            self._refuse_other_sites(caller)
        verdict = self._gate.early(identity, routed.entry)
        if verdict is None:
            verdict = self._settle_early(identity, routed, caller)
        if verdict is None:
            return Passage(caller, routed, identity, settled=False)
        demand(verdict)
        return Passage(caller, routed, identity, settled=True)

    def _identity(self, caller: Caller) -> Identity:
        found = self._credentials.identify(caller.headers.raw, self._clock())
        if isinstance(found, NotIdentified):
            raise Unauthenticated(_LOG_IN, detail=found.cause)
        return found

    def _refuse_other_sites(self, caller: Caller) -> None:
        """SECURITY: a browser sends our cookie along with whatever another site makes it send."""
        if not caller.asked_by_our_page(self._own_origin):
            raise Forbidden(
                "This request did not come from a page of this server. Reload the page and try again.",
                detail="a write by session from elsewhere",
            )

    def _settle_early(self, identity: Identity, routed: Routed, caller: Caller) -> Verdict | None:
        """The verdict, where path and headers hold all that is needed; `None` where the Flask side reads on.

        Raises:
            Forbidden: nothing will read on: the route is not Flask's.
        """
        assert routed.entry is not None, "an operation without an entry has its verdict already"
        if settled_early(routed.entry.requirement):
            return self._gate.settle(identity, routed.entry, _HeadReading(routed, caller), self._clock())
        if routed.by != FLASK:
            raise Forbidden("This address is not open to you. Ask an MLflow admin.", detail="cannot be read here")
        return None

    # --- bodies ----------------------------------------------------------------------------------

    async def _read_body(self, passage: Passage, receive: Receive) -> Receive:
        """What MLflow reads the body from: the same bytes, looked at first where they must be.

        Raises:
            Refusal: it may not pass.
        """
        if not has_body(passage.caller.headers) or _is_artifact(passage):
            return receive
        body = await whole(receive, LARGEST_PUBLIC_BODY if passage.identity is None else LARGEST_BODY)
        spans = _own_spans(passage)
        if spans is not None:
            await anyio.to_thread.run_sync(self._judge_spans, passage, spans, body)
        elif passage.routed.by == FASTAPI and body and is_json(passage.caller.headers):
            read_strictly(body)
        return replaying(body, receive)

    def _judge_spans(self, passage: Passage, part: OwnSpans, body: bytes) -> None:
        assert passage.identity is not None, "spans need a credential"
        if passage.identity.is_admin:
            return
        headers = passage.caller.headers
        found = traces_in(body, headers.get("content-type"), headers.get("content-encoding"))
        demand(self._gate.settle_spans(passage.identity, part, found.trace_ids, found.tag_keys, self._clock()))


_STREAMED = ("/api/2.0/mlflow-artifacts/artifacts/", "/ajax-api/2.0/mlflow-artifacts/artifacts/")


def _streaming(scope: Scope, prefix: str) -> Scope:
    """The scope of an artifact's up- or download without the static prefix; any other as it is.

    MLflow serves artifacts natively, as streams, but only at the unprefixed address; the prefixed one falls to
    Flask, which reads each upload into memory whole. Both are the same operation.
    """
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if not prefix or scope["method"] not in ("GET", "PUT") or not path.startswith(tuple(prefix + s for s in _STREAMED)):
        return scope
    moved = {**scope, "path": scope.get("root_path", "") + path.removeprefix(prefix)}
    if scope.get("raw_path"):
        moved["raw_path"] = scope["raw_path"].replace(prefix.encode(), b"", 1)
    return moved


class _HeadReading:
    """Reads ids from path and headers, for requests that are settled before the body."""

    def __init__(self, routed: Routed, caller: Caller) -> None:
        self._routed = routed
        self._headers = caller.headers

    def ids(self, target: Target) -> tuple[str, ...]:
        """Every id the target finds."""
        if target.where is Where.PATH:
            found = [self._routed.path_values.get(field, "") for field in target.fields]
        else:
            assert target.where is Where.HEADER, "only path and headers are known here"
            found = [value for field in target.fields for value in self._headers.getlist(field)]
        return tuple(dict.fromkeys(id_ for id_ in found if id_))

    def sent(self, field: str) -> bool:
        """Nothing of the body is known here."""
        raise _not_in_the_head()

    def keys(self, fields: tuple[str, ...]) -> frozenset[str]:
        """Nothing of the body is known here."""
        raise _not_in_the_head()

    def names_gateway(self, field: str) -> bool:
        """Nothing of the body is known here."""
        raise _not_in_the_head()

    def source(self) -> Source:
        """Nothing of the body is known here."""
        raise _not_in_the_head()

    def unlisted_fields(self) -> frozenset[str]:
        """Nothing of the body is known here."""
        raise _not_in_the_head()


def _not_in_the_head() -> AssertionError:
    return AssertionError("a requirement that reads the body is settled on the Flask side")


def _with_cookies(passage: Passage, send: Send) -> Send:
    """`send`, with the cookies that Flask's side handed over."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and passage.cookies:
            cookies = [(b"set-cookie", cookie.encode("latin-1")) for cookie in passage.cookies]
            message = {**message, "headers": [*message.get("headers", ()), *cookies]}
        await send(message)

    return sending


def _own_spans(passage: Passage) -> OwnSpans | None:
    requirement = None if passage.routed.entry is None else passage.routed.entry.requirement
    parts = requirement.parts if isinstance(requirement, AllOf) else ()
    return next((part for part in parts if isinstance(part, OwnSpans)), None)


def _is_artifact(passage: Passage) -> bool:
    """Whether the body is stored as it streams in, however large."""
    return passage.routed.by == FASTAPI and passage.caller.path.startswith(_STREAMED)
