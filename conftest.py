"""Reports of every test run end with the promises that went untested."""

pytest_plugins = ["tests.untested"]
