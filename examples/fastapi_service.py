"""A FastAPI service whose every request is a trace: `uvicorn fastapi_service:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser

from infinium_integrations import flush, instrument

instrument("langchain")
chain = FakeListChatModel(responses=["Hello!"]) | StrOutputParser()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(flush, 5)


app = FastAPI(lifespan=lifespan)


@app.post("/ask")
async def ask(question: str, user: str) -> str:
    return await chain.ainvoke(question, config={"run_name": "Answer", "metadata": {"user_id": user}})


@app.post("/stream")
async def stream(question: str) -> StreamingResponse:
    return StreamingResponse(chain.astream(question, config={"run_name": "Stream"}), media_type="text/plain")
