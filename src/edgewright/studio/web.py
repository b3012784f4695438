"""What pages of the studio take from Starlette: forms, requests, answers and errors."""

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

__all__ = [
    "FormData", "HTTPException", "JSONResponse", "PlainTextResponse", "RedirectResponse", "Request", "Response",
    "StreamingResponse", "UploadFile",
]  # fmt: skip
