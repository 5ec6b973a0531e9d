"""The one place that knows MLflow's tables and classes: judging by them, filtering rows, ownership of what is made."""
