"""A login belongs to the browser that began it, is used once, and is dead after ten minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import login_attempts
from tests.login.site import ATTEMPT, SESSION, Browser, Settings, Site
from tests.provider_faults import FaultyProvider


def test_the_browser_is_sent_with_state_nonce_and_a_challenge(browser: Browser, provider: FaultyProvider) -> None:
    address = urlsplit(browser.start())
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/authorize"
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["scope"] == "openid profile email"
    assert query["redirect_uri"] == "http://mlflow.example.test/mlflow/callback"
    assert len(query["state"]) == len(query["nonce"]) == len(query["code_challenge"]) == 43
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3


def test_no_two_logins_share_a_secret(browser: Browser) -> None:
    queries = [parse_qs(urlsplit(browser.start()).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]


def test_state_is_stored_as_a_digest_only(site: Site, browser: Browser) -> None:
    state = parse_qs(urlsplit(browser.start()).query)["state"][0]
    with site.engine.connect() as connection:
        stored = [str(value) for row in connection.execute(sa.select(login_attempts)) for value in row]
    assert stored
    assert state not in stored
    assert browser.cookie(ATTEMPT) not in stored


def test_another_browser_can_neither_use_nor_use_up_a_login(site: Site, browser: Browser) -> None:
    callback = browser.to_callback()
    for cookie in (None, "A" * 43, "\u00e9"):
        stranger = site.browser()
        if cookie is not None:
            stranger.set_cookie(ATTEMPT, cookie)
        assert stranger.follow(callback).status_code == 400
        assert stranger.cookie(SESSION) is None
    assert site.open_sessions() == 0
    assert browser.follow(callback).status_code == 303


def test_a_callback_is_good_once(site: Site, browser: Browser) -> None:
    callback, cookie = browser.to_callback(), browser.cookie(ATTEMPT)
    assert browser.follow(callback).status_code == 303
    browser.set_cookie(ATTEMPT, str(cookie))
    assert browser.follow(callback).status_code == 400
    assert site.open_sessions() == 1


def test_a_refused_callback_is_used_up_too(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    provider.faults.claims = {"nonce": "another"}
    callback = browser.to_callback()
    assert browser.follow(callback).status_code == 400
    provider.reset()
    assert browser.follow(callback).status_code == 400
    assert provider.asked("/token") == 0
    assert site.open_sessions() == 0


@pytest.mark.parametrize(("minutes", "status"), [(9, 303), (10, 400)], ids=["in time", "too late"])
def test_a_login_is_dead_after_ten_minutes(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider, minutes: int, status: int
) -> None:
    at = [datetime.now(UTC) - timedelta(minutes=minutes)]
    site = Site(engine, settings, clock=lambda: at[0])
    browser = site.browser()
    callback = browser.to_callback()
    at[0] += timedelta(minutes=minutes)
    assert browser.follow(callback).status_code == status


def test_logins_that_nobody_finished_are_swept_out(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider
) -> None:
    at = [datetime.now(UTC)]
    site = Site(engine, settings, clock=lambda: at[0])
    for _ in range(3):
        site.browser().start()
    at[0] += timedelta(minutes=11)
    site.browser().start()
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(login_attempts)).scalar_one() == 1


def test_two_tabs_can_log_in_at_the_same_time(site: Site, browser: Browser) -> None:
    first, second = browser.start("/mlflow/#/first"), browser.start("/mlflow/#/second")
    assert second != first
    callback = requests.get(first, allow_redirects=False, timeout=10).headers["Location"]
    assert browser.follow(callback).headers["Location"] == "/mlflow/#/first"


def test_looking_begins_no_login(site: Site, browser: Browser) -> None:
    browser.client.head("/mlflow/login/start", base_url=browser.host)
    with site.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(login_attempts)).scalar_one() == 0
