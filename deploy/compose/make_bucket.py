"""Makes the bucket for artifacts, if it is not there: python make_bucket.py NAME."""

import os
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

THERE_ALREADY = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
TRIES = 30


def make_bucket(name: str) -> None:
    """Make it, or find it there. A store that has just opened its port may still refuse: try for half a minute."""
    store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    for left in reversed(range(TRIES)):
        try:
            store.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in THERE_ALREADY:
                return
            if left == 0:
                raise
        except BotoCoreError:
            if left == 0:
                raise
        else:
            return
        time.sleep(1)


if __name__ == "__main__":
    make_bucket(sys.argv[1])
