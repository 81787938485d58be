# SPDX-License-Identifier: Apache-2.0
"""LiteLLM's own clients against this server: run by the interpreter of LiteLLM's virtual environment, whose pins conflict with
the newest SDKs. Prints as JSON, in its last line, what came of each step;
the test judges it.

    litellm_client.py BASE KEY CERTIFICATES
"""

import json
import os
import sys

base, key, authorities = sys.argv[1:]
os.environ.update(
    SSL_CERT_FILE=authorities, REQUESTS_CA_BUNDLE=authorities, LITELLM_LOCAL_MODEL_COST_MAP="True", NO_PROXY="*"
)

import litellm  # noqa: E402
import requests  # noqa: E402
from litellm.proxy.client import Client  # noqa: E402

# Its client of keys sends prepared requests, and those know nothing of the environment.
plain = requests.Session.__init__


def trusting(session):
    plain(session)
    session.verify = authorities


requests.Session.__init__ = trusting


def complete(text, provider="litellm_proxy", stream=False):
    """What the model says, or the name of LiteLLM's error and its status."""
    try:
        answer = litellm.completion(
            model=f"{provider}/echo", api_base=f"{base}/v1", api_key=text, stream=stream, max_retries=0, num_retries=0,
            messages=[{"role": "user", "content": "seven otters"}],
        )  # fmt: skip
        if stream:
            return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
        return answer.choices[0].message.content
    except Exception as error:
        return f"{type(error).__name__} {getattr(error, 'status_code', '')}"


def refusal(step):
    """The name of the error that a step ends with."""
    try:
        step()
    except Exception as error:
        return type(error).__name__
    return "none"


# It writes advice to the standard output when something is refused.
litellm.suppress_debug_info = True
client = Client(base, key)
seen = {}
made = client.keys.generate(
    models=["echo"], key_alias="laptop", duration="20m", team_id="core-infra", user_id="u-1", aliases={}, config={}
)
text, token = made["key"], made["token"]
seen["made"] = made
seen["said"] = [complete(text, provider, stream) for provider in ("litellm_proxy", "openai") for stream in (False, True)]
seen["models"] = [model["id"] for model in Client(f"{base}/v1", text).models.list()]
seen["info"] = client.keys.info(token)
seen["whole key in a query"] = refusal(lambda: client.keys.info(text))
seen["narrowed"] = client.keys.update(text, models=["nothing"])["models"]
seen["said when narrowed"] = complete(text)
client.keys.update(token, models=["echo"], duration="1h")
seen["blocked"] = client.http.request("POST", "/key/block", json={"key": text})["blocked"]
seen["said when blocked"] = complete(text)
client.http.request("POST", "/key/unblock", json={"key": token})
seen["said when unblocked"] = complete(text)
fresh = client.http.request("POST", f"/key/{token}/regenerate", json={"grace_period": "1h"})["key"]
seen["said by both"] = [complete(each) for each in (text, fresh)]
last = client.http.request("POST", f"/key/{token}/regenerate", json={})["key"]
seen["said without grace"] = [complete(each) for each in (fresh, last)]
seen["deleted"] = client.keys.delete(keys=[token])["deleted_keys"]
seen["said when deleted"] = complete(last)
seen["asked when deleted"] = refusal(lambda: Client(f"{base}/v1", last).models.list())
print("\n" + json.dumps(seen))
