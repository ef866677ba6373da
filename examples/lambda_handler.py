"""A handler of AWS Lambda that delivers its trace before it returns."""

import os

os.environ.setdefault("INFINIUM_STORE", "/tmp/infinium")

from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser

from infinium_integrations import flush, instrument

instrument("langchain")
chain = FakeListChatModel(responses=["Hello!"]) | StrOutputParser()


def handler(event: dict, context: object) -> dict:
    try:
        return {"answer": chain.invoke(event["question"], config={"metadata": {"user_id": event["user"]}})}
    finally:
        flush(timeout=3)
