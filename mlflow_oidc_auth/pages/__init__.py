"""Our HTML pages: thin, one file for each. They decide nothing that the JSON does not decide the same way."""
