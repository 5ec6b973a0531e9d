"""Who gave what to whom: every change of a grant that a person asks for, its rules, and how it is told."""
