# SPDX-License-Identifier: Apache-2.0
"""Of which shape each command's `--json` is: every name there may be, and the type of each value. A name more or less is a
change that programs notice, and has to be made here as well."""

import re

TEXT, NUMBER, FLAG = str, int, bool
# What has names that are made up elsewhere.
ANY = object


def maybe(shape):
    """That, or null."""
    return (shape, None)


class Each:
    """An object whose names are free, and whose values are all alike."""

    def __init__(self, shape):
        self.shape = shape


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
DIGEST = re.compile(r"[0-9a-f]{8,64}")
AMOUNT = re.compile(r"\d+(\.\d+)?")


def of(letters):
    """An id."""
    return re.compile(letters + r"_[0-9A-HJKMNP-TV-Z]{26}")


def one_of(*words):
    return re.compile("|".join(map(re.escape, words)))


def page(row, **more):
    return {"object": "list", "data": [row], "has_more": FLAG, "next_cursor": maybe(TEXT), **more}


def record(noun, /, **more):
    return {"object": noun, **more}


KEY = {
    "id": of("key"), "object": "key", "name": TEXT, "kind": one_of("secret", "publishable"), "prefix": re.compile(r"gh[kp]_\w{8}"),
    "tenant": of("ten"), "scopes": [TEXT], "models": maybe([TEXT]), "nodes": maybe([TEXT]), "origins": [TEXT],
    "ip_ranges": [TEXT], "limits": [TEXT], "metadata": Each(TEXT), "blocked": FLAG, "created_by": TEXT, "created_at": TIME,
    "expires_at": maybe(TIME), "revoked_at": maybe(TIME), "revoked_for": maybe(TEXT), "rotated_at": maybe(TIME),
    "former_prefix": maybe(TEXT), "former_expires_at": maybe(TIME), "exposed_at": maybe(TIME), "exposure": maybe(TEXT),
    "last_used_at": maybe(TIME),
}
NEW_KEY = {**KEY, "key": re.compile(r"gh[kp]_\w{49}")}
PERSON = {
    "id": of("usr"), "object": "user", "email": TEXT, "name": maybe(TEXT), "role": one_of("member", "admin", "owner", "operator"),
    "status": one_of("active", "invited", "disabled"), "totp": FLAG, "created_at": TIME, "last_login_at": maybe(TIME),
}
TICKET = record("ticket", kind=one_of("setup", "reset", "invitation"), token=TEXT, expires_at=TIME)
CAPS = {name: maybe(NUMBER) for name in ("threads", "files", "memory", "logs")}
TENANT = {
    "id": of("ten"), "object": "tenant", "name": TEXT, "status": one_of("active", "suspended"), "plan": maybe(TEXT),
    "created_at": TIME, "bytes": NUMBER, "bytes_max": NUMBER, "retention_caps": CAPS,
}
PLAN = record("plan", name=TEXT, retention=CAPS, bytes_max=maybe(NUMBER))
CONSENT = {
    "scope": one_of("threads", "memory", "files", "logs", "analytics", "training"), "granted": FLAG,
    **{name: maybe(TEXT) for name in ("text_version", "granted_by", "granted_at", "withdrawn_by", "withdrawn_at")},
}
CONSENTS = page(CONSENT, history=[CONSENT], text_version=TEXT)
LIMITS = {
    "object": "limits", "scope": one_of("tenant", "key", "node", "user"), "tenant": of("ten"), "limits": [TEXT],
    "budgets": [TEXT], "overrides": {"limits": maybe([TEXT]), "budgets": maybe([TEXT])},
    "left": [{"name": TEXT, "scope": TEXT, "limit": (NUMBER, AMOUNT), "remaining": (NUMBER, AMOUNT), "resets_at": maybe(TIME)}],
}
PERCENTILES = {"p50": maybe(NUMBER), "p95": maybe(NUMBER), "p99": maybe(NUMBER)}
FIGURES = {
    **{
        name: NUMBER
        for name in (
            "requests", "refusals", "errors", "abandoned", "input_tokens", "output_tokens", "cached_tokens",
            "unpriced_requests", "estimated_requests",
        )
    },
    "cost": AMOUNT, "latency_ms": PERCENTILES, "first_byte_ms": PERCENTILES,
}
BLOCK = {
    "object": "block", "kind": one_of("key", "user", "address"), "id": TEXT, "tenant": maybe(TEXT), "blocked_until": maybe(TIME),
    "blocks": NUMBER, "points": NUMBER, "points_max": NUMBER, "offence": TEXT,
}
BACKUP = record("backup", name=re.compile(r"\d{8}T\d{6}Z(-\d+)?"), created_at=TIME, tenants=NUMBER, bytes=NUMBER)
# What is not said of a record is not in it.
RECORD = {
    "object": "audit.record", "time": TIME, "kind": TEXT, "id": TEXT, "sequence": NUMBER,
    **{
        name + "?": TEXT
        for name in (
            "tenant", "actor_kind", "actor", "key", "action", "object_id", "request_id", "route", "node", "model", "provider",
            "upstream_model", "outcome", "code", "stage", "rule", "first_request_id", "last_request_id", "file",
        )
    },
    **{
        name + "?": DIGEST
        for name in ("address", "end_user", "object_digest", "before", "after", "reason_digest", "parameters", "earlier_root")
    },
    **{
        name + "?": NUMBER
        for name in (
            "input_tokens", "output_tokens", "cached_tokens", "cost", "reserved_input_tokens", "reserved_output_tokens",
            "reserved_cost", "status", "latency_ms", "first_byte_ms", "intent", "count", "bytes", "generation", "earlier_size",
        )
    },
    **{name + "?": FLAG for name in ("stream", "estimated", "held")},
}
REPORT = {
    "object": "audit.report", "ok": FLAG, "records": NUMBER, "first": NUMBER, "signed": NUMBER, "segments": NUMBER,
    "torn_end": FLAG, "damages": [TEXT],
}
WORK = {
    "object": "store.work", "name": TEXT, "status": TEXT, "started_at": TIME, "ended_at": maybe(TIME), "progress": maybe(ANY),
    "failure": maybe(TEXT), "hint": maybe(TEXT), "result": maybe(Each(NUMBER)),
}
DELETED = {"deleted": True}

SHAPES = {
    "doctor": {
        "object": "doctor", "worst": one_of("ok", "note", "warning", "fault"),
        "findings": [
            {
                "code": re.compile(r"[a-z]+\.[a-z-]+"), "level": one_of("ok", "note", "warning", "fault"), "reason": TEXT,
                "mend": maybe(TEXT),
            }
        ],
    },
    "routes": [{"method": one_of("GET", "POST", "PUT", "PATCH", "DELETE"), "path": TEXT, "guard": TEXT, "summary": TEXT}],
    "controls": page(
        {
            "id": re.compile(r"[A-Z]\d+"), "object": "control", "area": TEXT, "promise": TEXT, "evidence": one_of("live", "test"),
            "status": one_of("verified", "tested", "not_verified_now", "off"), "reason": maybe(TEXT), "checked_at": maybe(TIME),
            "tests": [TEXT], "build?": TEXT,
        }
    ),
    "model list": page(
        record(
            "model", name=TEXT, provider=TEXT, upstream=TEXT, aliases=[TEXT], fallback=[TEXT], max_output_tokens=NUMBER,
            priced=FLAG,
        )
    ),
    "price list": page(
        record("price", model=TEXT, **{name: maybe(AMOUNT) for name in ("input", "output", "cache_read", "cache_write")})
    ),
    "error list": page(RECORD),
    "config show": page(
        {
            "object": "config.key", "section": TEXT, "key": TEXT, "type": TEXT, "range": maybe(TEXT), "value": maybe(TEXT),
            "default": maybe(TEXT), "is_default": FLAG,
        }
    ),
    "session show": record("sessions", count=NUMBER, signing_keys=[TEXT]),
    "session end": record("sessions.ended", id=of("usr"), ended=True),
    "key create": NEW_KEY,
    "key list": [KEY],
    "key show": KEY,
    "key rotate": NEW_KEY,
    "key block": {**KEY, "blocked": True},
    "key unblock": {**KEY, "blocked": False},
    "key revoke": {**KEY, "revoked_at": TIME, "revoked_for": TEXT},
    "operator invite": TICKET,
    "operator list": [PERSON],
    "operator reset": TICKET,
    "operator remove": record("user.deleted", id=of("usr"), **DELETED),
    "user invite": {**PERSON, "invitation": TICKET},
    "user list": [PERSON],
    "user reset": TICKET,
    "user reset-totp": PERSON,
    "user disable": {**PERSON, "status": "disabled"},
    "user enable": PERSON,
    "user remove": record("user.deleted", id=of("usr"), **DELETED),
    "provider list": {
        "providers": [
            record(
                "provider", name=TEXT, kind=one_of("openai", "anthropic", "builtin"), base_url=maybe(TEXT), key=maybe(TEXT),
                key_state=TEXT, models=[{"name": TEXT, "state": TEXT, "calls": NUMBER, "failures": NUMBER}],
            )
        ],
        "secrets": [record("store.secret", name=TEXT, generation=NUMBER, set_at=TIME)],
    },
    "provider remove-key": record("store.secret.deleted", name=TEXT, **DELETED),
    "tenant create": TENANT,
    "tenant list": [TENANT],
    "tenant show": TENANT,
    "tenant suspend": {**TENANT, "status": "suspended"},
    "tenant resume": {**TENANT, "status": "active"},
    "tenant plan": TENANT,
    "tenant delete": record("tenant.deleted", id=of("ten"), **DELETED),
    "plan list": [PLAN],
    "plan show": PLAN,
    "plan set": PLAN,
    "node list": [record("node", id=of("node"), version=NUMBER, bytes=NUMBER, created_at=TIME, updated_at=TIME)],
    "thread list": [
        record(
            "thread", id=of("thr"), node_id=maybe(of("node")), owner=TEXT, message_count=NUMBER, bytes=NUMBER, created_at=TIME,
            last_active_at=TIME,
        )
    ],
    "consent list": CONSENTS,
    "consent grant": CONSENTS,
    "consent withdraw": CONSENTS,
    "usage": {"object": "list", "data": [{**FIGURES, "object": "usage", "model": maybe(TEXT)}], "total": FIGURES},
    "limit show": LIMITS,
    "limit set": LIMITS,
    "limit reset": LIMITS,
    "budget set": LIMITS,
    "budget reset": LIMITS,
    "block list": [BLOCK],
    "block set": BLOCK,
    "block lift": record("block.deleted", **DELETED),
    "store status": {
        "object": "store", "rolled_at": TIME, "work": maybe(WORK), "keys": Each([NUMBER]),
        **{
            name: NUMBER
            for name in (
                "master_key", "epoch", "roll_interval_seconds", "erasures_before_roll", "tenants", "objects", "tombstones",
                "secrets", "slots",
            )
        },
    },
    "store rotate": {**WORK, "status": "done"},
    "store slots": [record("store.slot", number=NUMBER, kind=one_of("key", "passphrase"), name=TEXT, created_at=TIME)],
    "store verify": [record("store.check", file=TEXT, pages=NUMBER, ok=True, problems=[ANY], more=NUMBER)],
    "store inventory": [
        {
            "file": one_of("keyring.db", "control.db", "tenants/<id>.db"), "table": TEXT, "column": TEXT, "what": TEXT,
            "kind": TEXT, "sealed": TEXT, "kept": TEXT,
        }
    ],
    "backup create": BACKUP,
    "backup list": [BACKUP],
    "audit tail": [RECORD],
    "audit search": [RECORD],
    "audit verify": {**REPORT, "ok": True},
    "audit fsck": {**REPORT, "ok": True},
    "audit publish": record("audit.published", path=TEXT, size=NUMBER, root=TEXT, new_tiles=NUMBER, key=TEXT),
}


def misfit(value, shape, place="it"):
    """What is wrong with a value, in words; None where it has the shape."""
    if isinstance(shape, tuple):
        found = [misfit(value, one, place) for one in shape]
        return None if None in found else found[0]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{place} is no object: {value!r}"
        known = {name.rstrip("?") for name in shape}
        needed = {name for name in shape if not name.endswith("?")}
        if needed - value.keys() or value.keys() - known:
            return f"{place} lacks {sorted(needed - value.keys())} and has {sorted(value.keys() - known)} too many"
        parts = ((name.rstrip("?"), of) for name, of in shape.items() if name.rstrip("?") in value)
        return next(filter(None, (misfit(value[name], of, f"{place}.{name}") for name, of in parts)), None)
    if isinstance(shape, Each):
        if not isinstance(value, dict):
            return f"{place} is no object: {value!r}"
        return next(filter(None, (misfit(of, shape.shape, f"{place}.{name}") for name, of in value.items())), None)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place} is no list: {value!r}"
        return next(filter(None, (misfit(item, shape[0], f"{place}[{at}]") for at, item in enumerate(value))), None)
    if isinstance(shape, re.Pattern):
        return None if isinstance(value, str) and shape.fullmatch(value) else f"{place} is {value!r}"
    if isinstance(shape, type):
        fits = isinstance(value, shape) and not (shape is int and isinstance(value, bool))
        return None if fits else f"{place} is {value!r}, and no {shape.__name__}"
    return None if type(value) is type(shape) and value == shape else f"{place} is {value!r}, and not {shape!r}"
