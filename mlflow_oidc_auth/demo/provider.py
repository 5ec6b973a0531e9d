"""The demo's login service: a small OpenID Connect provider in this process. NOT FOR PRODUCTION.

The protocol is real, so that the server logs people in exactly as it does with Keycloak: code flow with
PKCE S256, nonce, state, `iss` in the callback (RFC 9207), signed tokens, logout from either side. Only
the proof of who somebody is, is not: one click on a name is enough.

SECURITY: it listens on loopback only, answers to its own host names only (a web page elsewhere cannot
reach it through a name that resolves to loopback), and its keys die with the process.
"""

from __future__ import annotations

import hmac
import logging
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import flask
import requests
from werkzeug.exceptions import BadRequest, Forbidden
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from mlflow_oidc_auth.demo.issuing import Client, Issuing, Login
from mlflow_oidc_auth.demo.people import PEOPLE, Person
from mlflow_oidc_auth.demo.ports import require_loopback

_COOKIE = "demo_login_service"
_FORM_LIMIT = 64 * 1024


class DemoProvider:
    """One login service for one client.

    Raises:
        StartRefused: `host` is no loopback address.
    """

    def __init__(self, host: str, port: int, client: Client) -> None:
        host = require_loopback(host)
        self._server = make_server(host, port, self._app(), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo-login-service", daemon=True)
        self.issuer = f"http://{host}:{self._server.server_port}"
        self._issuing = Issuing(self.issuer, client)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else each request is a line on the terminal

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def discovery_url(self) -> str:
        """For OIDC_DISCOVERY_URL."""
        return f"{self.issuer}/.well-known/openid-configuration"

    def _app(self) -> flask.Flask:
        app = flask.Flask(__name__)
        app.config["MAX_CONTENT_LENGTH"] = _FORM_LIMIT
        app.before_request(self._refuse_strangers)
        app.after_request(_harden)
        app.add_url_rule("/", "home", self._home)
        app.add_url_rule("/sessions/end", "end", self._end, methods=["POST"])
        app.add_url_rule("/.well-known/openid-configuration", "metadata", lambda: self._issuing.metadata())
        app.add_url_rule("/keys", "keys", lambda: self._issuing.key_set())
        app.add_url_rule("/authorize", "authorize", self._authorize, methods=["GET", "POST"])
        app.add_url_rule("/token", "token", self._token, methods=["POST"])
        app.add_url_rule("/userinfo", "userinfo", self._userinfo)
        app.add_url_rule("/logout", "logout", self._logout, methods=["GET", "POST"])
        return app

    def _refuse_strangers(self) -> None:
        port = self._server.server_port
        if flask.request.host not in (f"127.0.0.1:{port}", f"localhost:{port}", self.issuer.split("//")[1]):
            raise Forbidden("The demo's login service is for this machine only.")
        crossing = flask.request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
        if flask.request.method == "POST" and crossing:
            raise Forbidden("This form belongs to another site.")

    # What people see.

    def _home(self) -> str:
        return flask.render_template("home.html", logins=self._issuing.logins())

    def _end(self) -> Response:
        """End one session from this side: MLflow hears of it at once."""
        self._end_login(flask.request.form.get("sid", ""))
        return flask.redirect("/", code=303)

    def _authorize(self) -> flask.typing.ResponseReturnValue:
        asked = flask.request.args
        client = self._issuing.client
        if asked.get("client_id") != client.client_id or asked.get("redirect_uri") not in client.redirect_uris:
            raise BadRequest("Unknown client or redirect address.")
        fault = self._issuing.fault_of(asked)
        if fault is not None:
            return self._back(error=fault)
        login = self._login_of_browser()
        if flask.request.method == "GET" and (login is None or asked.get("prompt") == "login"):
            return self._login_page() if asked.get("prompt") != "none" else self._back(error="login_required")
        if flask.request.method == "POST":
            person = _who_logs_in()
            if person is None:
                return self._login_page("Wrong name or password."), 401
            login = self._issuing.begin(person)
        assert login is not None
        answer = self._back(code=self._issuing.code(login, asked))
        answer.set_cookie(_COOKIE, login.sid, httponly=True, samesite="Lax")
        return answer

    def _login_page(self, refused: str = "") -> str:
        return flask.render_template(
            "login.html", people=PEOPLE.values(), action=flask.request.full_path, refused=refused
        )

    def _back(self, **answer: str) -> Response:
        """To MLflow's callback, naming who answers (RFC 9207)."""
        asked = flask.request.args
        answer |= {"iss": self.issuer} | ({"state": asked["state"]} if "state" in asked else {})
        return flask.redirect(f"{asked['redirect_uri']}?{urlencode(answer)}", code=303)

    def _logout(self) -> flask.typing.ResponseReturnValue:
        """OpenID Connect RP-Initiated Logout 1.0. Without MLflow's proof of who is meant, ask first."""
        asked = flask.request.values
        sid = self._issuing.sid_of_hint(asked.get("id_token_hint", ""))
        if sid is None and flask.request.method == "GET":
            return flask.render_template("logout.html", action=flask.request.full_path)
        self._end_login(sid or flask.request.cookies.get(_COOKIE, ""))
        target = asked.get("post_logout_redirect_uri", "")
        if not self._issuing.client.may_return_to(target):
            target = "/"
        elif asked.get("state"):
            target += f"{'&' if '?' in target else '?'}{urlencode({'state': asked['state']})}"
        answer = flask.redirect(target, code=303)
        answer.delete_cookie(_COOKIE)
        return answer

    # What MLflow asks.

    def _token(self) -> flask.typing.ResponseReturnValue:
        form, login = flask.request.form, flask.request.authorization
        client_id = login.username if login is not None else form.get("client_id")
        secret = login.password if login is not None else form.get("client_secret")
        if not self._issuing.client.holds(client_id, secret):
            return {"error": "invalid_client"}, 401
        if form.get("grant_type") != "authorization_code":
            return {"error": "unsupported_grant_type"}, 400
        answer = self._issuing.redeem(form.get("code", ""), form.get("code_verifier", ""), form.get("redirect_uri", ""))
        return ({"error": "invalid_grant"}, 400) if answer is None else answer

    def _userinfo(self) -> flask.typing.ResponseReturnValue:
        scheme, _, access_token = flask.request.headers.get("Authorization", "").partition(" ")
        person = self._issuing.person_of(access_token) if scheme.lower() == "bearer" else None
        if person is None:
            return {"error": "invalid_token"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return person.claims

    # Logins.

    def _login_of_browser(self) -> Login | None:
        return self._issuing.login(flask.request.cookies.get(_COOKIE, ""))

    def _end_login(self, sid: str) -> None:
        """End it here, and tell MLflow (OpenID Connect Back-Channel Logout 1.0), as far as it listens."""
        login = self._issuing.end(sid)
        if login is None:
            return
        try:
            form = {"logout_token": self._issuing.logout_token(login)}
            requests.post(self._issuing.client.backchannel_uri, data=form, timeout=5, allow_redirects=False)
        except requests.RequestException as error:
            logging.getLogger(__name__).warning("MLflow did not hear of a logout: %s", type(error).__name__)


def _who_logs_in() -> Person | None:
    """The button that was pressed, or a name with its password."""
    form = flask.request.form
    if "person" in form:
        return PEOPLE.get(form["person"])
    person = PEOPLE.get(form.get("username", "").partition("@")[0])
    if person is None or not hmac.compare_digest(form.get("password", "").encode(), person.password.encode()):
        return None
    return person


def _harden(answer: flask.Response) -> flask.Response:
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    )
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
