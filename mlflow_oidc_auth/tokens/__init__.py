"""Access keys (personal access tokens): how they are spelled, stored and asked for."""
