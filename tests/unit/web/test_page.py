"""What every page of ours carries, error pages, and the files beside them."""

from __future__ import annotations

import re

import flask
import pytest
from flask.testing import FlaskClient

from mlflow_oidc_auth import context
from mlflow_oidc_auth import errors as every_error
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound, Refusal, Unauthenticated, Unavailable
from mlflow_oidc_auth.web.page import POLICY, Pages, assets_version, menu_tag, static_file

EVERY_REFUSAL = [kind for kind in vars(every_error).values() if isinstance(kind, type) and issubclass(kind, Refusal)]


@pytest.fixture
def client() -> FlaskClient:
    """Serves the static files."""
    app = flask.Flask("files")
    app.add_url_rule("/permissions/static/<path:filename>", "static_file", static_file)
    app.register_error_handler(NotFound, lambda refusal: (refusal.message, 404))
    return app.test_client()


def test_every_page_carries_the_headers() -> None:
    for page in (
        Pages("/mlflow").error(BadRequest("x")),
        Pages("").render("login/message.html", heading="", sentence=""),
    ):
        assert page.headers["Content-Security-Policy"] == POLICY
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"


def test_the_policy_allows_this_server_alone() -> None:
    directives = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert directives["default-src"] == directives["base-uri"] == "'none'"
    for name in ("script-src", "style-src", "connect-src", "form-action", "frame-ancestors"):
        assert directives[name] == "'self'"


@pytest.mark.parametrize("kind", EVERY_REFUSAL)
def test_an_error_page_says_what_happened_and_what_to_do(kind: type[Refusal]) -> None:
    page = Pages("/mlflow").error(kind("The <sentence>.", detail="for the log alone"))
    assert page.status_code == kind.status
    text = page.get_data(as_text=True)
    assert "The &lt;sentence&gt;." in text
    assert "for the log alone" not in text
    assert re.search(r'class="button" href="/mlflow/(login)?">(Log in|Go to MLflow)<', text)


def test_somebody_unknown_is_led_to_the_login_and_waits_where_a_store_is_away() -> None:
    assert 'href="/mlflow/login"' in Pages("/mlflow").error(Unauthenticated("x")).get_data(as_text=True)
    assert Pages("").error(Unavailable("x")).headers["Retry-After"] == "5"


def test_nobody_is_named_on_a_page_for_nobody() -> None:
    with context.viewing(context.System("a test")):
        text = Pages("").error(Forbidden("x")).get_data(as_text=True)
    assert "Log out" not in text


@pytest.mark.parametrize("prefix", ["", "/mlflow"], ids=["no prefix", "prefix"])
def test_no_template_holds_a_script_or_style_of_its_own(prefix: str) -> None:
    text = Pages(prefix).error(Forbidden("x")).get_data(as_text=True)
    assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=", text)
    assert f'href="{prefix}/permissions/static/pages.css?v={assets_version()}"' in text


def test_the_menu_tag_names_style_script_and_prefix() -> None:
    assert menu_tag("/mlflow/") == (
        f'<link rel="stylesheet" href="/mlflow/permissions/static/menu.css?v={assets_version()}">'
        f'<script defer src="/mlflow/permissions/static/menu.js?v={assets_version()}" data-prefix="/mlflow"></script>'
    )


def test_a_file_is_kept_for_good_only_under_its_version(client: FlaskClient) -> None:
    versioned = client.get(f"/permissions/static/pages.css?v={assets_version()}")
    assert versioned.status_code == 200
    assert versioned.mimetype == "text/css"
    assert versioned.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for query in ("", "?v=000000000000"):
        assert client.get(f"/permissions/static/pages.css{query}").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "name",
    [
        "../page.py",
        "..%2fpage.py",
        "%2e%2e/page.py",
        "../templates/layout.html",
        "%2fetc%2fpasswd",
        "no.css",
        "%00",
        ".",
    ],
)
def test_nothing_but_our_files_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/permissions/static/{name}", follow_redirects=True).status_code == 404
