"""A whole multi-user MLflow on one machine, to try it. NOT FOR PRODUCTION."""
