// SPDX-License-Identifier: Apache-2.0

/// The configuration of `gatehouse dev`, used when there is no file: the built-in model, loopback only.
///
/// `gatehouse dev --print` shows it, as a start for a file of one's own.
let developmentConfiguration = """
    # What `gatehouse dev` runs when there is no configuration file.
    mode = "development"
    data = "./data"

    [http]
    listen = ["127.0.0.1:8443", "[::1]:8443"]
    redirect = ["127.0.0.1:8080", "[::1]:8080"]
    hosts = ["localhost", "127.0.0.1", "[::1]"]

    [store]
    unlock = ["file:./gatehouse-root.key"]      # made if missing; never inside the data directory

    [audit]
    [auth]
    [limiter]
    requests_per_hour = 1000
    [nodes]
    [sandbox]
    [log]
    [admin]

    [gateway]
    [[gateway.provider]]
    name = "builtin"
    kind = "builtin"                            # a deterministic model inside the binary: it echoes

    [[gateway.model]]
    name = "builtin"
    provider = "builtin"
    upstream = "builtin-chat"

    [[gateway.model]]
    name = "builtin-embedding"
    provider = "builtin"
    upstream = "builtin-embedding"

    """
