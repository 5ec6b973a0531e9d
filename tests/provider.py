"""A real Keycloak for tests: obtained through Maven once, prepared once, started in about five seconds.

Preparing takes about a minute (unzip, build, one start that imports the realm and records a class
archive) and is kept in `.cache/keycloak` (or `KEYCLOAK_CACHE`), under a lock. Each run then copies
the seeded database into a folder of its own and starts on free loopback ports.

    with Keycloak() as keycloak:
        keycloak.register("http://127.0.0.1:5000/mlflow")
        KeycloakBrowser().login("http://127.0.0.1:5000/mlflow/login/start", "alice", "alice-pw")
"""

from __future__ import annotations

import fcntl
import hashlib
import html
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests
from requests.cookies import RequestsCookieJar

VERSION = "26.7.3"
SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
REALM = "prokube"
PEOPLE = ("alice", "bob", "carol", "dave", "root", "mallory")  # the password of each is `<name>-pw`
CLIENT_ID = "mlflow"
CLIENT_SECRET = "mlflow-test-secret"
REALM_FILE = Path(__file__).parent / "keycloak" / "prokube-realm.json"

_RECIPE = b"1"  # count up when what `prepare` makes changes
_ADMIN = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin"}
_READY_SECONDS = 180.0
_HTTP_SECONDS = 15.0


class KeycloakMissing(Exception):
    """There is no Keycloak on this machine and none can be had; the text says what is missing."""


def cache_folder() -> Path:
    """Where the prepared Keycloak is kept between runs."""
    default = Path(__file__).parents[1] / ".cache" / "keycloak"
    return Path(os.environ.get("KEYCLOAK_CACHE") or default).resolve()


class Keycloak:
    """One running Keycloak with the realm `prokube` and the client `mlflow`, and what an admin does there.

    Args:
        cache: where the prepared one is kept.
        port: a loopback port; a free one if none is given.

    Raises:
        KeycloakMissing: this machine has none and can get none.
    """

    def __init__(self, cache: Path | None = None, port: int | None = None) -> None:
        self._prepared = prepare(cache or cache_folder())
        self._run = Path(tempfile.mkdtemp(prefix="keycloak-"))
        self._given_port = port
        self._port, self._management_port = port or free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ("", 0.0)
        self._bases: tuple[str, ...] = ()

    # Life.

    def start(self) -> Self:
        """Start and wait until it is ready."""
        shutil.copyfile(self._prepared / "keycloakdb.mv.db", self._run / "keycloakdb.mv.db")
        options = f"-XX:TieredStopAtLevel=1 -XX:SharedArchiveFile={self._prepared / 'kc.jsa'}"
        for tries_left in (2, 1, 0):
            self._process = _start(self._prepared, self._run, self._port, self._management_port, options, "256m")
            try:
                _await_ready(self._process, self._management_port, self._run / "log")
                break
            except RuntimeError as error:
                # A port that was free a moment ago may be somebody's by now.
                if not tries_left or "Address already in use" not in str(error):
                    raise
                self._port, self._management_port = self._given_port or free_port(), free_port()
        return self

    def stop(self) -> None:
        """Stop, and remove what the run left."""
        if self._process is not None:
            _stop(self._process)
            self._process = None
        shutil.rmtree(self._run, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # Addresses and settings.

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def issuer(self) -> str:
        """The realm's issuer."""
        return f"{self.url}/realms/{REALM}"

    @property
    def discovery_url(self) -> str:
        """For OIDC_DISCOVERY_URL."""
        return f"{self.issuer}/.well-known/openid-configuration"

    def environment(self) -> dict[str, str]:
        """The settings that a server needs to log people in here."""
        return {
            "OIDC_DISCOVERY_URL": self.discovery_url,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_PROVIDER_DISPLAY_NAME": "Keycloak",
            "OIDC_GROUP_NAME": "prokube users",
            "OIDC_ADMIN_GROUP_NAME": "prokube admins",
        }

    # What an admin does.

    def register(self, *bases: str) -> None:
        """Make servers at these addresses (with their static prefix) the client's; the first hears of logouts.

        Those of earlier calls stay, since several tests share this Keycloak.
        """
        found = self._admin("GET", f"/clients?clientId={CLIENT_ID}").json()[0]
        bases = tuple(base.rstrip("/") for base in bases)
        self._bases = tuple(dict.fromkeys((*bases, *self._bases)))[:80]  # Keycloak bounds the attribute
        found["redirectUris"] = [f"{base}/callback" for base in self._bases]
        found["attributes"]["post.logout.redirect.uris"] = "##".join(f"{base}/*" for base in self._bases)
        found["attributes"]["backchannel.logout.url"] = f"{bases[0]}/backchannel-logout"
        self._admin("PUT", f"/clients/{found['id']}", json=found)

    def newcomer(self, username: str, group: str = "/prokube users") -> str:
        """Somebody new in a group, who never logged in; the password is `<name>-pw`."""
        user = {"username": username, "email": f"{username}@example.test", "emailVerified": True, "enabled": True}
        password = {"type": "password", "value": f"{username}-pw", "temporary": False}
        names = {"firstName": username.capitalize(), "lastName": "Example"}
        self._admin("POST", "/users", json={**user, **names, "credentials": [password], "groups": [group]})
        return username

    def set_enabled(self, username: str, enabled: bool) -> None:
        """Enable or disable somebody; Keycloak tells the client nothing."""
        self._admin("PUT", f"/users/{self.user_id(username)}", json={"enabled": enabled})

    def add_to_group(self, username: str, path: str) -> None:
        """Put somebody into the group with this path (`/prokube users`)."""
        self._admin("PUT", f"/users/{self.user_id(username)}/groups/{self._group_id(path)}")

    def remove_from_group(self, username: str, path: str) -> None:
        """Take somebody out of a group; Keycloak tells the client nothing."""
        self._admin("DELETE", f"/users/{self.user_id(username)}/groups/{self._group_id(path)}")

    def sessions(self, username: str) -> list[str]:
        """The ids of somebody's sessions; the id_token's `sid`."""
        return [entry["id"] for entry in self._admin("GET", f"/users/{self.user_id(username)}/sessions").json()]

    def end_session(self, sid: str) -> None:
        """End one session: the client gets a back-channel logout before this returns."""
        self._admin("DELETE", f"/sessions/{sid}")

    def log_out(self, username: str) -> None:
        """End all sessions of somebody: one back-channel logout each."""
        self._admin("POST", f"/users/{self.user_id(username)}/logout")

    def rotate_keys(self) -> str:
        """Sign with a new RSA key from now on; the old one stays listed. Hand the result to :meth:`remove_keys`."""
        realm_id = self._admin("GET", "").json()["id"]
        config = {"priority": ["200"], "enabled": ["true"], "active": ["true"], "keySize": ["2048"]}
        answer = self._admin(
            "POST",
            "/components",
            json={
                "name": f"rotated-{time.monotonic_ns()}",
                "providerId": "rsa-generated",
                "providerType": "org.keycloak.keys.KeyProvider",
                "parentId": realm_id,
                "config": config | {"algorithm": ["RS256"]},
            },
        )
        return answer.headers["Location"].rsplit("/", 1)[-1]

    def remove_keys(self, component_id: str) -> None:
        """Take a key provider out of the realm."""
        self._admin("DELETE", f"/components/{component_id}")

    @contextmanager
    def realm(self, representation: dict[str, Any]) -> Iterator[str]:
        """Another realm, while the block runs; gives its issuer."""
        headers = {"Authorization": f"Bearer {self._admin_token()}"}
        made = requests.post(f"{self.url}/admin/realms", headers=headers, json=representation, timeout=_HTTP_SECONDS)
        made.raise_for_status()
        name = quote(representation["realm"])
        try:
            yield f"{self.url}/realms/{name}"
        finally:
            headers = {"Authorization": f"Bearer {self._admin_token()}"}
            requests.delete(f"{self.url}/admin/realms/{name}", headers=headers, timeout=_HTTP_SECONDS)

    def user_id(self, username: str) -> str:
        """The `sub` of somebody."""
        return str(self._admin("GET", f"/users?username={quote(username)}&exact=true").json()[0]["id"])

    def _group_id(self, path: str) -> str:
        return str(self._admin("GET", f"/group-by-path{quote(path)}").json()["id"])

    def _admin(self, method: str, path: str, **arguments: Any) -> requests.Response:
        answer = requests.request(
            method,
            f"{self.url}/admin/realms/{REALM}{path}",
            headers={"Authorization": f"Bearer {self._admin_token()}"},
            timeout=_HTTP_SECONDS,
            **arguments,
        )
        answer.raise_for_status()
        return answer

    def _admin_token(self) -> str:
        """Keycloak's admin tokens live a minute."""
        token, at = self._token
        if time.monotonic() - at > 30:
            form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"}
            address = f"{self.url}/realms/master/protocol/openid-connect/token"
            answer = requests.post(address, data=form, timeout=_HTTP_SECONDS)
            answer.raise_for_status()
            self._token = (token, at) = (answer.json()["access_token"], time.monotonic())
        return token


class _PlainHttpJar(RequestsCookieJar):
    """Keycloak marks its cookies `Secure` even on plain http; browsers let loopback pass, requests does not."""

    def set_cookie(self, cookie: Any, *args: Any, **kwargs: Any) -> Any:
        cookie.secure = False
        return super().set_cookie(cookie, *args, **kwargs)


class LoginRefused(Exception):
    """Keycloak itself did not log somebody in; the text is its sentence."""


class KeycloakBrowser(requests.Session):
    """A browser without a screen: follows the redirects, fills in Keycloak's form, keeps the cookies."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies = _PlainHttpJar()

    def login(self, start: str, username: str, password: str) -> requests.Response:
        """Open `start`, log in at Keycloak if it asks, and give what the browser shows in the end.

        Raises:
            LoginRefused: Keycloak shows an error of its own.
        """
        page = self.get(start, timeout=_HTTP_SECONDS)
        form = re.search(r'<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"', page.text)
        if form is None:
            return page
        data = {"username": username, "password": password, "credentialId": ""}
        answer = self.post(html.unescape(form.group(1)), data=data, timeout=_HTTP_SECONDS)
        refused = re.search(r'class="[^"]*kc-feedback-text[^"]*"[^>]*>\s*([^<]+)', answer.text)
        if refused is not None:
            raise LoginRefused(html.unescape(refused.group(1)).strip())
        return answer


# Obtaining and preparing.


def prepare(cache: Path) -> Path:
    """A folder with a built Keycloak, a seeded database and a class archive; made once, then reused.

    Raises:
        KeycloakMissing: it cannot be made on this machine.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        folder = cache / f"{VERSION}-{_fingerprint()}"
        if not (folder / "prepared").is_file():
            for outdated in cache.glob("*-*/"):
                shutil.rmtree(outdated)
            folder.mkdir()
            _require_tools()
            archive = _zip(cache)
            _unpack(archive, folder)
            _seed(folder)
            archive.unlink()  # Maven's own store keeps it
            (folder / "prepared").touch()
        return folder


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fingerprint() -> str:
    """Another realm or another recipe needs another seed."""
    return hashlib.sha256(REALM_FILE.read_bytes() + _RECIPE).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _require_tools() -> None:
    """Java, Maven and unzip: there, or installed now where that is possible."""
    packages = {"java": "openjdk-17-jre-headless", "mvn": "maven", "unzip": "unzip"}
    missing = [tool for tool in packages if shutil.which(tool) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        wanted = [packages[tool] for tool in missing]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
        install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *wanted]
        subprocess.run(install, env=environment, check=False)
        missing = [tool for tool in missing if shutil.which(tool) is None]
    if missing:
        raise KeycloakMissing(f"{', '.join(missing)} not found, and could not be installed")


def _zip(cache: Path) -> Path:
    """The distribution, through Maven, which also tells where it goes: no path of its store is assumed."""
    artifact = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
    target = cache / f"keycloak-quarkus-dist-{VERSION}.zip"
    if not _is_whole(target):
        copy = ["mvn", "-B", "-ntp", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={cache}"]
        got = subprocess.run(copy, capture_output=True, text=True, check=False)
        if got.returncode != 0 or not target.is_file():
            raise KeycloakMissing(f"Maven could not fetch {artifact}: {(got.stdout + got.stderr)[-500:]}")
        if not _is_whole(target):
            raise KeycloakMissing(f"{target.name} is not the file it should be (SHA-256 differs)")
    return target


def _is_whole(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == SHA256


def _unpack(archive: Path, folder: Path) -> None:
    subprocess.run(["unzip", "-q", str(archive), "-d", str(folder)], check=True)
    (folder / f"keycloak-{VERSION}").rename(folder / "dist")
    imports = folder / "dist" / "data" / "import"
    imports.mkdir(parents=True)
    shutil.copyfile(REALM_FILE, imports / REALM_FILE.name)
    build = [str(folder / "dist" / "bin" / "kc.sh"), "build", "--db=dev-file", "--health-enabled=true"]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL, env=os.environ | _ADMIN)


def _seed(folder: Path) -> None:
    """One start that imports the realm; stopping it writes the class archive (about ten seconds)."""
    management = free_port()
    options = f"-XX:TieredStopAtLevel=1 -XX:ArchiveClassesAtExit={folder / 'kc.jsa'}"
    process = _start(folder, folder, free_port(), management, options, "384m", "--import-realm")
    try:
        _await_ready(process, management, folder / "log")
    finally:
        _stop(process)


def _start(
    prepared: Path, run: Path, port: int, management_port: int, java_options: str, heap: str, *more: str
) -> subprocess.Popen[bytes]:
    environment = os.environ | _ADMIN
    # No user and password: Keycloak's own pair for this database is the only one that opens it.
    environment["KC_DB_URL"] = f"jdbc:h2:file:{run / 'keycloakdb'};NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE"
    environment["JAVA_OPTS_KC_HEAP"] = f"-Xms64m -Xmx{heap}"
    environment["JAVA_OPTS_APPEND"] = java_options
    command = [
        str(prepared / "dist" / "bin" / "kc.sh"),
        "start",
        "--optimized",
        *more,
        f"--hostname=http://127.0.0.1:{port}",
        f"--http-port={port}",
        f"--http-management-port={management_port}",
        "--http-enabled=true",
        "--http-host=127.0.0.1",  # else the management port is open to the network
        "--cache=local",  # else it looks for others of its kind
        "--log-level=INFO,io.smallrye.health:ERROR",
    ]
    with (run / "log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def _await_ready(process: subprocess.Popen[bytes], management_port: int, log: Path) -> None:
    """The main port opens before Keycloak can serve, so only the health address counts."""
    address = f"http://127.0.0.1:{management_port}/health/ready"
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"Keycloak ended while starting:\n{log.read_text()[-3000:]}")
        try:
            if requests.get(address, timeout=2).status_code == requests.codes.ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"Keycloak was not ready in {_READY_SECONDS:.0f} s:\n{log.read_text()[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """kc.sh hands SIGTERM on to java; only if that does not help, end the whole session it leads."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def main() -> None:
    """Prepare the cache, so that the first test does not wait for it."""
    began = time.monotonic()
    folder = prepare(cache_folder())
    print(f"Keycloak {VERSION} is prepared in {folder} ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
