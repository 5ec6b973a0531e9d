"""`mlflow-storage-initializer`: fetches models and run artifacts by `mlflow://` addresses, for KServe.

It runs in the pod that serves, with the credentials of whoever serves: it imports nothing of the server, and MLflow's
permissions decide what it gets.
"""
