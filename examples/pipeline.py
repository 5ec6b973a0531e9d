"""A pipeline for Kubeflow: one task trains a model and logs it, the next tests it and makes it the champion.

    python examples/pipeline.py      writes pipeline.yaml, for the upload in Kubeflow's pages

`kfp`, `kfp-kubernetes` and the wheel of this project compile it; no server is needed. They want an environment of their
own: `pip install --require-hashes -r requirements-kfp.lock`, then the wheel with `--no-deps`. In the namespace in which
it runs there is the secret `mlflow-credentials`: the page of a new access key shows the command that makes it. What is
logged belongs to whoever the key belongs to, so a pipeline that a team runs takes the key of a service account.
"""

from kfp import compiler, dsl

from mlflow_oidc_auth.kfp import use_mlflow_credentials

IMAGE = "python:3.12"
PACKAGES = ["mlflow>=3.16.1,<3.19", "scikit-learn"]


@dsl.component(base_image=IMAGE, packages_to_install=PACKAGES)
def train(experiment: str, strength: float) -> str:
    """Log a run with a model.

    Returns:
        The id of the run.
    """
    import mlflow
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    x_train, _, y_train, _ = train_test_split(*load_iris(return_X_y=True), random_state=1)
    mlflow.set_experiment(experiment)
    with mlflow.start_run() as run:
        mlflow.log_param("strength", strength)
        model = LogisticRegression(C=1 / strength, max_iter=500).fit(x_train, y_train)
        mlflow.sklearn.log_model(model, name="model", input_example=x_train[:2])
    return run.info.run_id


@dsl.component(base_image=IMAGE, packages_to_install=PACKAGES)
def release(run_id: str, model: str, at_least: float) -> int:
    """Register the model of a run and make it the champion, if it is accurate enough.

    Returns:
        The new version's number.
    """
    import mlflow
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    _, x_test, _, y_test = train_test_split(*load_iris(return_X_y=True), random_state=1)
    trained = f"runs:/{run_id}/model"
    accuracy = float((mlflow.pyfunc.load_model(trained).predict(x_test) == y_test).mean())
    with mlflow.start_run(run_id=run_id):
        mlflow.log_metric("accuracy", accuracy)
    if accuracy < at_least:
        raise ValueError(f"{accuracy:.2f} is not enough: the champion stays who it is")
    version = mlflow.register_model(trained, model).version
    mlflow.MlflowClient().set_registered_model_alias(model, "champion", version)
    return int(version)


@dsl.pipeline(name="iris")
def pipeline(experiment: str = "iris", model: str = "iris", strength: float = 2.0, at_least: float = 0.9) -> None:
    """Train, then release."""
    trained = train(experiment=experiment, strength=strength)
    released = release(run_id=trained.output, model=model, at_least=at_least)
    use_mlflow_credentials(trained, released)


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "pipeline.yaml")
