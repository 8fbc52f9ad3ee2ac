"""What the scripts share: the server's address and how they say that all is well."""

import os
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

URL = sys.argv[1]

import mlflow  # noqa: E402

mlflow.set_tracking_uri(URL)


def refused(call, code, *words):
    """The call fails with this code and a message that has these words."""
    try:
        call()
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code == code, (error.error_code, str(error))
        for word in words:
            assert word in str(error), (word, str(error))
        return str(error)
    raise AssertionError(f"{code} was expected")


def scratch():
    """A directory that is removed at the end."""
    return tempfile.TemporaryDirectory()


def done():
    print("all as it should be")
