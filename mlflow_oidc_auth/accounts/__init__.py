"""People, service accounts, groups and teams: who there is, not what they may do."""
