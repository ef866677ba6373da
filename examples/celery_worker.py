"""Tasks of Celery, each a trace: `celery -A celery_worker worker`."""

import os

from celery import Celery
from celery.signals import worker_process_shutdown, worker_shutdown
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser

from infinium_integrations import flush, instrument, trace

instrument("langchain")
chain = FakeListChatModel(responses=["Hello!"]) | StrOutputParser()
app = Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])


@worker_process_shutdown.connect
@worker_shutdown.connect
def deliver(**_: object) -> None:
    flush(timeout=5)


@app.task
def answer(question: str, user: str) -> str:
    with trace("Answer", metadata={"user_id": user}):
        return chain.invoke(question)
