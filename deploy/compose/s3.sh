#!/bin/sh
# Starts SeaweedFS with one identity, which comes from the environment; it only reads identities from a file.
set -eu
umask 022
cat >/tmp/s3.json <<JSON
{"identities": [{"name": "mlflow", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$S3_SECRET_KEY"}]}]}
JSON
exec /entrypoint.sh server -ip=s3 -ip.bind=0.0.0.0 -s3 -s3.config=/tmp/s3.json
