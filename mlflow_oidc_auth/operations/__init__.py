"""Every operation that MLflow and this plugin serve, and what each asks of who calls it: data, no code that decides."""
