"""From the login service to a browser session, and back: who somebody is, never what they may do."""
