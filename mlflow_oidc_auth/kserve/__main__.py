"""`python -m mlflow_oidc_auth.kserve`: the command, where its script is not on the path."""

from mlflow_oidc_auth.kserve.main import main

if __name__ == "__main__":
    main()
