"""A runnable behind LangServe."""

from fastapi import FastAPI
from langchain_core.runnables import RunnableLambda
from langserve import add_routes

from infinium_integrations.langchain import InfiniumCallbackHandler

app = FastAPI()
add_routes(app, RunnableLambda(str.upper).with_config(callbacks=[InfiniumCallbackHandler()]), path="/up")
