"""Permissions as a file: written from the database, compared with it, and applied to it in one transaction.

A file names what it means (e-mails, groups, names and ids of resources), never a row of ours, so that it can be
read, reviewed and kept beside other files. It holds no secret.
"""
