"""What `/openapi.json` says beside the requests: the key, the kinds of answer, and the errors."""

from fastapi import Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """OpenAI's shape of an error."""

    error: ErrorDetail


ERRORS = {"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}}
PLAIN = {"200": {"content": {"text/plain": {"schema": {"type": "string"}}}}}
ANSWER = {
    "200": {
        "description": "The answer; with stream=true, in pieces",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    }
}
KEY = [Security(HTTPBearer(auto_error=False))]  # it is said here, and checked in the Gate
