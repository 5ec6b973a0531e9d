#!/bin/sh
# Makes .env from .env.example, with a random value for each name. One that is there is left alone.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
    echo ".env is there already; it was left alone." >&2
    exit 0
fi
umask 077
# Hexadecimal: such a value stands in an address as well as in a file.
while IFS= read -r line; do
    case $line in
    [A-Z]*=) printf '%s%s\n' "$line" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <.env.example >.env.new
mv .env.new .env
echo "Made .env; log in as alice with the password that it calls DEMO_PASSWORD." >&2
