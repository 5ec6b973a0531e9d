"""Our tables in MLflow's database, the engine on it, and how changes take turns."""
