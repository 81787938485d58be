-- SPDX-License-Identifier: Apache-2.0
--
-- The load: one POST again and again. What is sent, and where the figures go, comes from the environment.

local function contents(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.headers["Host"] = os.getenv("BENCH_HOST")
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
wrk.body = contents(os.getenv("BENCH_BODY"))

-- A key that changes while the load lasts is read again and again; without one, every request has the same bytes.
local file = os.getenv("BENCH_KEY_FILE")
if file then
    local every, left, key, bytes = 100, 0, nil, nil
    function request()
        if left == 0 then
            local now = contents(file)
            if now ~= key then
                key = now
                wrk.headers["authorization"] = "Bearer " .. key
                bytes = wrk.format()
            end
            left = every
        end
        left = left - 1
        return bytes
    end
end

-- Microseconds, and how often each was seen: histograms of several runs can be added up, percentiles cannot.
function done(summary, latency, requests)
    local out = assert(io.open(os.getenv("BENCH_OUT"), "w"))
    local errors = summary.errors
    out:write(string.format(
        '{"requests":%d,"bytes":%d,"microseconds":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d},',
        summary.requests, summary.bytes, summary.duration,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout))
    out:write(string.format('"p50":%d,"p99":%d,"histogram":[', latency:percentile(50), latency:percentile(99)))
    if os.getenv("BENCH_HISTOGRAM") == "1" then
        for index = 1, #latency do
            local value, count = latency(index)
            out:write(index > 1 and "," or "", string.format("[%d,%d]", value, count))
        end
    end
    out:write("]}")
    out:close()
end
