"""The login pages: /login, /login/start, /callback, /logout, /backchannel-logout.

What they own: two cookies. The session cookie proves who somebody is; the attempt cookie binds a login
under way to the browser that began it.

SECURITY: a session is opened in one place only, at the end of :meth:`_LoginPages.callback`, after every
check; and each refusal on the way leaves the browser without a new session. Nothing of the callback's
query is shown or logged but the provider's error code, in its own small alphabet.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import flask
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.users import User, UserStore
from mlflow_oidc_auth.errors import BadRequest, Forbidden, Refusal
from mlflow_oidc_auth.login.attempts import LIFETIME, AttemptRefused, LoginAttempt, LoginAttempts
from mlflow_oidc_auth.login.claims import ClaimSettings, NotAdmitted, profile_from
from mlflow_oidc_auth.login.failures import LoginFailed, LogoutTokenRefused, ProviderDown
from mlflow_oidc_auth.login.provider import Proof, Provider
from mlflow_oidc_auth.login.secrets import new_secret, well_formed
from mlflow_oidc_auth.login.sessions import MOST_COOKIES, EndedSession, SessionStore
from mlflow_oidc_auth.vocabulary import Identity
from mlflow_oidc_auth.web.addresses import home, origin_of, own_address, safe_next
from mlflow_oidc_auth.web.page import Pages

logger = logging.getLogger(__name__)

_LARGEST_LOGOUT_REQUEST = 256 * 1024
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


class LoginSettings(ClaimSettings, Protocol):
    """The settings of the login pages."""

    @property
    def oidc_redirect_uri(self) -> str | None: ...
    @property
    def oidc_provider_display_name(self) -> str: ...
    @property
    def session_cookie_name(self) -> str: ...
    @property
    def automatic_login_redirect(self) -> bool: ...


def login_pages(
    *,
    provider: Provider,
    sessions: SessionStore,
    attempts: LoginAttempts,
    users: UserStore,
    settings: LoginSettings,
    pages: Pages,
    static_prefix: str,
    clock: Callable[[], datetime],
) -> flask.Blueprint:
    """The blueprint; register it under `static_prefix` (empty, or `/path` without a trailing slash)."""
    ours = _LoginPages(provider, sessions, attempts, users, settings, pages, static_prefix.rstrip("/"), clock)
    blueprint = flask.Blueprint("oidc_auth_login", __name__)
    blueprint.add_url_rule("/login", "login", ours.login, methods=["GET"])
    blueprint.add_url_rule("/login/start", "start", ours.start, methods=["GET"])
    blueprint.add_url_rule("/callback", "callback", ours.callback, methods=["GET"])
    blueprint.add_url_rule("/logout", "logout", ours.logout, methods=["GET", "POST"])
    blueprint.add_url_rule("/backchannel-logout", "backchannel", ours.backchannel_logout, methods=["POST"])
    return blueprint


@dataclass(frozen=True, slots=True)
class _LoginPages:
    provider: Provider
    sessions: SessionStore
    attempts: LoginAttempts
    users: UserStore
    settings: LoginSettings
    pages: Pages
    prefix: str
    clock: Callable[[], datetime]

    def login(self) -> Response:
        """The page with the button; on to where they wanted for whoever is logged in."""
        return_to = safe_next(flask.request.args.get("next"), self.prefix)
        if self._logged_in():
            return _go(return_to)
        logged_out = "logged_out" in flask.request.args
        if self.settings.automatic_login_redirect and not logged_out and "retry" not in flask.request.args:
            return _go(flask.url_for(".start", next=return_to))
        page = self._page("login/login.html", start=flask.url_for(".start"), return_to=return_to, logged_out=logged_out)
        return self._letting_forms_out(page)

    def start(self) -> Response:
        """Begin a login: write the attempt down, bind it to this browser, go to the provider."""
        if flask.request.method != "GET":  # Flask answers HEAD here too; looking must not begin anything
            return flask.Response(status=204)
        browser = flask.request.cookies.get(self._attempt_cookie)
        if browser is None or not well_formed(browser):
            browser = new_secret()
        return_to = safe_next(flask.request.args.get("next"), self.prefix)
        state, attempt = self.attempts.begin(browser, return_to, self.clock())
        try:
            answer = _go(self.provider.authorization_url(state, attempt, self._redirect_uri()))
        except ProviderDown as failure:
            return self._failed(failure, return_to)
        self._set_cookie(answer, self._attempt_cookie, browser, int(LIFETIME.total_seconds()))
        return answer

    def callback(self) -> Response:
        """The provider sent the browser back: check everything, then open a session."""
        if flask.request.method != "GET":
            return flask.Response(status=204)
        return_to = home(self.prefix)
        try:
            attempt = self._attempt()
            return_to = attempt.return_to
            proof = self._proof(attempt)
            return self._opened(self._admitted(proof), proof, return_to)
        except _Refused as refused:
            return self._not_permitted(refused.verdict)
        except Forbidden as refusal:
            logger.warning("Login refused: %s", refusal.detail)
            return self._not_permitted(refusal.message)
        except Refusal as failure:
            return self._failed(failure, return_to)

    def logout(self) -> Response:
        """End the session here, then at the provider. A link on another site only gets a page that asks."""
        if flask.request.method == "HEAD" or _from_elsewhere(flask.request.headers):
            return self._letting_forms_out(
                self._page(
                    "login/message.html",
                    heading="Log out?",
                    sentence="Another page asks to log you out of MLflow.",
                    post_to=flask.url_for(".logout"),
                    button="Log out",
                    link=home(self.prefix),
                    link_text="Stay logged in",
                )
            )
        ended = self._end_own_session()
        id_token = ended.id_token if ended is not None else None
        here = own_address(self._root(), self.prefix, "/login?logged_out=1")
        answer = _go(self.provider.logout_url(id_token, here) or flask.url_for(".login", logged_out=1))
        self._drop_cookie(answer, self.settings.session_cookie_name)
        return answer

    def backchannel_logout(self) -> Response:
        """The provider says that a session of its ended (OpenID Connect Back-Channel Logout 1.0)."""
        try:
            now = self.clock()
            ended = self.sessions.heed(self.provider.logout_notice(_logout_token(), now), now)
            if ended is None:
                raise LogoutTokenRefused("heeded before")
        except LogoutTokenRefused as refusal:
            logger.warning("A back-channel logout was refused: %s", refusal.detail)
            answer: Response = flask.jsonify(error="invalid_request", error_description=refusal.message)
            answer.status_code = 400
        else:
            logger.info("The provider ended %d session(s)", ended, extra={"sessions": ended})
            answer = flask.Response(status=200)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    # The steps of a callback, in their order.

    def _attempt(self) -> LoginAttempt:
        """The attempt this callback belongs to. From here on it cannot be used again."""
        browser = flask.request.cookies.get(self._attempt_cookie)
        attempt = self.attempts.take(_single("state"), browser, self.clock())
        if isinstance(attempt, AttemptRefused):
            raise LoginFailed(f"login attempt: {attempt.cause}")
        return attempt

    def _proof(self, attempt: LoginAttempt) -> Proof:
        self.provider.check_callback_issuer(_single("iss"))
        error = _single("error")
        if error is not None:
            raise _provider_refused(error, self.settings.oidc_provider_display_name)
        code = _single("code")
        if not code:
            raise LoginFailed("the callback carries neither a code nor an error")
        return self.provider.redeem(code, attempt, self._redirect_uri(), self.clock())

    def _admitted(self, proof: Proof) -> User:
        profile = profile_from(proof.claims, self.settings)
        if isinstance(profile, NotAdmitted):
            logger.warning("Login refused: %s", profile.cause.value, extra={"subject": proof.claims["sub"]})
            if profile.cause.about_groups:
                self.users.shut_out(proof.claims["iss"], proof.claims["sub"], profile.groups, self.clock())
            raise _Refused(profile)
        return self.users.record_login(profile, self.clock())

    def _opened(self, user: User, proof: Proof, return_to: str) -> Response:
        """SECURITY: the only place that opens a session; always a new id, and the browser's old one ends."""
        self._end_own_session()
        agent = flask.request.headers.get("User-Agent", "")
        cookie = self.sessions.open(
            user.id, provider_sid=proof.sid, id_token=proof.id_token, user_agent=agent, now=self.clock()
        )
        logger.info("%s logged in", user.username, extra={"username": user.username})
        answer = _go(return_to)
        lifetime = int(self.sessions.absolute.total_seconds())
        self._set_cookie(answer, self.settings.session_cookie_name, cookie, lifetime)
        self._drop_cookie(answer, self._attempt_cookie)
        return answer

    # Pages.

    def _not_permitted(self, verdict: NotAdmitted | str) -> Response:
        """403: the provider knows them, we do not let them in."""
        sentence, groups = (verdict, ()) if isinstance(verdict, str) else (verdict.sentence, verdict.groups_needed)
        page = self._page(
            "login/not_permitted.html",
            sentence=sentence,
            groups_needed=groups,
            retry=flask.url_for(".login", retry=1),
            logout=flask.url_for(".logout"),
        )
        page.status_code = 403
        return page

    def _failed(self, failure: Refusal, return_to: str) -> Response:
        """The login did not succeed: say so, and offer another one (through the page: no loop by itself)."""
        logger.warning("Login failed: %s", failure.detail)
        page = self._page(
            "login/message.html",
            heading="Login did not succeed",
            sentence=failure.message,
            link=flask.url_for(".login", next=return_to, retry=1),
            link_text="Try again",
        )
        page.status_code = failure.status
        return page

    def _page(self, template: str, **values: Any) -> Response:
        page = self.pages.render(template, provider_name=self.settings.oidc_provider_display_name, **values)
        page.headers["Cache-Control"] = "no-store"
        return page

    def _letting_forms_out(self, page: Response) -> Response:
        """Chromium applies `form-action` to where a form's answer redirects, which here is the provider.

        Any https address: the provider may send the browser on to yet another one.
        """
        policy = page.headers.get("Content-Security-Policy")
        if policy is not None:
            reach = " ".join(("form-action 'self' https:", *self.provider.origins()))
            page.headers["Content-Security-Policy"] = re.sub(r"form-action [^;]*", reach, policy)
        return page

    # Cookies and addresses.

    @property
    def _attempt_cookie(self) -> str:
        return f"{self.settings.session_cookie_name}_login"

    def _logged_in(self) -> bool:
        cookies = flask.request.cookies.getlist(self.settings.session_cookie_name)
        return isinstance(self.sessions.identify_one_of(cookies, self.clock()), Identity)

    def _end_own_session(self) -> EndedSession | None:
        """End the browser's session, and one that somebody may have planted beside it."""
        cookies = flask.request.cookies.getlist(self.settings.session_cookie_name)[:MOST_COOKIES]
        ended = [self.sessions.end_by_cookie(cookie) for cookie in cookies]
        return next((session for session in ended if session is not None), None)

    def _set_cookie(self, answer: Response, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(
            name, value, max_age=seconds, path=self._cookie_path, secure=self._secure, httponly=True, samesite="Lax"
        )

    def _drop_cookie(self, answer: Response, name: str) -> None:
        answer.delete_cookie(name, path=self._cookie_path, secure=self._secure, httponly=True, samesite="Lax")

    @property
    def _cookie_path(self) -> str:
        return self.prefix or "/"

    @property
    def _secure(self) -> bool:
        """Over https, as the server sees it, or as the configured redirect address says."""
        return flask.request.is_secure or (self.settings.oidc_redirect_uri or "").startswith("https:")

    def _root(self) -> str:
        """Scheme and host under which browsers reach us."""
        configured = self.settings.oidc_redirect_uri
        return origin_of(configured) if configured else flask.request.host_url

    def _redirect_uri(self) -> str:
        return self.settings.oidc_redirect_uri or own_address(flask.request.host_url, self.prefix, "/callback")


class _Refused(Exception):
    """Carries a :class:`NotAdmitted` out of the steps of a callback."""

    def __init__(self, verdict: NotAdmitted) -> None:
        super().__init__(verdict.cause.value)
        self.verdict = verdict


def _go(address: str) -> Response:
    answer = flask.redirect(address, code=303)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _single(name: str) -> str | None:
    """One parameter of the callback. Twice the same is nobody's honest answer."""
    values = flask.request.args.getlist(name)
    if len(values) > 1:
        raise LoginFailed(f"the callback holds {name} more than once")
    return values[0] if values else None


def _logout_token() -> str:
    """The one logout token in the form."""
    flask.request.max_content_length = _LARGEST_LOGOUT_REQUEST
    try:
        tokens = flask.request.form.getlist("logout_token")
    except HTTPException as error:
        raise LogoutTokenRefused(f"the form cannot be read: {error.name}") from error
    if len(tokens) != 1:
        raise LogoutTokenRefused("not exactly one logout_token in the form")
    return tokens[0]


def _from_elsewhere(headers: Headers) -> bool:
    """Whether another site, or a picture or script on one of our pages, asks rather than a person who clicked.

    Browsers that send no fetch metadata, and other clients, are taken at their word.
    """
    site, target = headers.get("Sec-Fetch-Site", "none"), headers.get("Sec-Fetch-Dest", "document")
    return site not in ("same-origin", "none") or target != "document" or "Sec-Purpose" in headers


def _provider_refused(error: str, provider_name: str) -> Refusal:
    """The provider sent an error instead of a code (RFC 6749, section 4.1.2.1)."""
    code = error if _ERROR_CODE.fullmatch(error) else "malformed"
    if code in ("temporarily_unavailable", "server_error"):
        return ProviderDown(f"the provider answered {code}")
    if code == "access_denied":
        return BadRequest(f"{provider_name} did not let you in, or you stopped the login.", detail=code)
    return LoginFailed(f"the provider answered {code}")
