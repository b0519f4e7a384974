"""Chat completions of any OpenAI-compatible server through the `openai` SDK, whose own retries are off."""

from __future__ import annotations

import json
import os
from typing import Any

from psychocounsel.backends.calls.engine import Call, CallError, Reply, Send
from psychocounsel.errors import BackendError


def key_from(variable: str | None) -> str:
    """Return the key in an environment variable; a server of one's own may need none. Raises BackendError if unset."""
    if variable is None:
        return "none"
    key = os.environ.get(variable, "").strip()
    if not key:
        raise BackendError(f"the environment variable {variable} holds no key. Set it, or name another with key_env.")
    return key


def sender(base_url: str, key: str, deadline: float, *, local: bool = False) -> Send:
    """Return what sends one chat completion.

    A server on this machine (`local`) is spoken to directly: no proxy of the environment, no redirect elsewhere.
    """
    import httpx2
    import openai

    http = openai.DefaultAsyncHttpxClient(trust_env=False, follow_redirects=False) if local else None
    client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=deadline, http_client=http)

    async def send(call: Call) -> Reply:
        try:
            # As the SDK's `create` does, but for its walk through the request's types: a fifth of a call's work, and
            # the request is JSON already.
            got = await client.post("/chat/completions", body=call.request, cast_to=httpx2.Response)
        except openai.APITimeoutError:
            raise CallError("no answer within the deadline") from None
        except openai.APIConnectionError:
            raise CallError("no connection", dead=True) from None
        except openai.APIStatusError as error:
            raise told(error.status_code, error.response.headers.get("retry-after"), error.code) from None
        except openai.OpenAIError as error:
            raise CallError(type(error).__name__) from None
        return reply_of(got.content)

    return send


def models_of(url: str, key: str, *, local: bool) -> set[str]:
    """Return the models that a server lists; empty where it does not list any.

    Raises BackendError where the server is not there, refuses the key, or speaks another protocol.
    """
    import openai

    http = openai.DefaultHttpxClient(trust_env=False, follow_redirects=False) if local else None
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=1, timeout=15, http_client=http)
    try:
        raw = client.models.with_raw_response.list().http_response.content
        listed = json.loads(raw)["data"]
        return {str(model["id"]) for model in listed}
    except openai.AuthenticationError:
        raise BackendError(f"{url} refuses the key (401). Set the right one in the environment.") from None
    except openai.PermissionDeniedError:
        raise BackendError(f"{url} refuses the key (403). Set one that may use it.") from None
    except openai.APIConnectionError:
        raise BackendError(f"nothing answers at {url}. Start the server, or mend base_url.") from None
    except openai.APIStatusError as error:
        if error.status_code in (404, 405) or error.status_code >= 500:
            return set()  # not every server can list its models, and one that is ill may be well when it is asked
        raise BackendError(f"{url} answers {error.status_code} when asked for its models.") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise BackendError(
            f"{url} answers, but not as an OpenAI-compatible server. Its base_url usually ends with /v1."
        ) from None


def told(status: int, after: str | None, code: Any) -> CallError:
    """Return what an HTTP status means for a call."""
    if status == 429 and code == "insufficient_quota":
        return CallError("429: the account has no credit left", again=False, dead=True)
    if status in (429, 503, 529):
        return CallError(str(status), throttled=True, after=_seconds(after), dead=status == 503)
    if status in (401, 403):
        return CallError(f"{status}: the key is refused", again=False, dead=True)
    if status == 404:
        return CallError("404: no such model or address", again=False, dead=True)
    if status == 400 and code == "context_length_exceeded":
        return CallError("400: the context is too long for the model", again=False)
    return CallError(str(status), again=status >= 500 or status in (408, 409))


def _seconds(after: str | None) -> float | None:
    try:
        return max(0.0, float(after)) if after else None
    except ValueError:
        return None  # a date: the engine's own pause is near enough


def reply_of(content: bytes) -> Reply:
    """Return the server's JSON, whole. Raises CallError where it is no chat completion."""
    try:
        answer = json.loads(content)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise CallError("the answer is not JSON") from None
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise CallError("the answer has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | None):
        raise CallError("the answer's message is no text")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    counts = [n if isinstance(n := usage.get(k), int) else None for k in ("prompt_tokens", "completion_tokens")]
    return Reply(answer, *counts)
