"""Every setting (`table.py`), from the environment (`reading.py`), and their reference (`page.py`).

`read_settings(os.environ)` gives all of them, or refuses the start with one sentence for each thing wrong.
"""

from mlflow_oidc_auth.settings.page import settings_page
from mlflow_oidc_auth.settings.reading import parse_alone, parse_settings, read_settings
from mlflow_oidc_auth.settings.table import Settings

__all__ = ["Settings", "parse_alone", "parse_settings", "read_settings", "settings_page"]
