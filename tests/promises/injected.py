"""Our server with routes that no table knows, as a newer MLflow or another plugin would bring them.

Started as `mlflow server --app-name oidc-auth-injected`; `test_unlisted_operations.py` makes the entry point.
"""

from __future__ import annotations

from typing import Any

SECRET = "served-by-a-route-that-nobody-listed"


def create_app() -> Any:
    """Add one route of each make, then build our application as usual."""
    import flask
    import mlflow.server
    from fastapi import APIRouter, FastAPI, WebSocket
    from mlflow.server import fastapi_app
    from starlette.responses import PlainTextResponse

    from mlflow_oidc_auth.app import create_app as ours

    flask_app: flask.Flask = mlflow.server.app
    flask_app.add_url_rule("/mlflow/api/2.0/mlflow/injected", "injected", lambda: SECRET, methods=["GET", "POST"])
    flask_app.add_url_rule("/mlflow/api/2.0/mlflow/experiments/get", "more", lambda: SECRET, methods=["PURGE"])
    other = flask.Blueprint("injected_blueprint", __name__)
    other.add_url_rule("/plugin/<path:rest>", "plugin", lambda rest: SECRET)
    flask_app.register_blueprint(other)
    build = fastapi_app.create_fastapi_app

    def with_routes(*arguments: Any, **named: Any) -> FastAPI:
        app = build(*arguments, **named)
        router = APIRouter()
        router.add_api_route("/injected-native", lambda: SECRET, methods=["GET"])
        router.add_api_route("/mlflow/ajax-api/3.0/injected/{name}", lambda name: SECRET, methods=["GET", "POST"])

        @router.websocket("/injected-socket")
        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text(SECRET)
            await websocket.close()

        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse(SECRET)(scope, receive, send)

        before = len(app.router.routes)
        app.include_router(router)
        app.mount("/injected-mount", mounted)
        # In front of Flask, which takes every path that is left.
        app.router.routes[:] = [*app.router.routes[before:], *app.router.routes[:before]]
        return app

    fastapi_app.create_fastapi_app = with_routes
    return ours()
