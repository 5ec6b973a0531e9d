#!/bin/sh
# Run once by PostgreSQL's image, on an empty volume: Keycloak's own database and its owner.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$KEYCLOAK_DB_PASSWORD" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE ROLE keycloak LOGIN PASSWORD :'password';
CREATE DATABASE keycloak OWNER keycloak;
SQL
