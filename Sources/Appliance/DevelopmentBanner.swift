// SPDX-License-Identifier: Apache-2.0

import Core
import Platform

/// What `gatehouse dev` prints once it serves: where, with which key, and lines to paste.
enum DevelopmentBanner {
    static func text(_ appliance: Appliance, key: String) -> String {
        let settings = appliance.composition.settings
        let base = "https://localhost:\(appliance.address?.port ?? 8443)"
        let certificate = settings.http.tls.certificate
        return """

            gatehouse \(Version.text) — development, on this machine only

              base URL     \(base)/v1
              key          \(key)   (lives until this process ends)
              certificate  \(certificate)   (self-signed)
              data         \(settings.dataDirectory)

            Try it:

            curl --cacert \(certificate) \(base)/v1/chat/completions \\
              -H "authorization: Bearer \(key)" -H "content-type: application/json" \\
              -d '{"model":"builtin","messages":[{"role":"user","content":"hello"}]}'

            From Python, with the stock SDK (pip install openai):

            python3 - <<'END'
            import ssl
            from openai import DefaultHttpxClient, OpenAI
            trust = ssl.create_default_context(cafile="\(certificate)")
            client = OpenAI(base_url="\(base)/v1", api_key="\(key)",
                http_client=DefaultHttpxClient(verify=trust))
            print(client.chat.completions.create(model="builtin",
                messages=[{"role": "user", "content": "hello"}]).choices[0].message.content)
            END

            The model "builtin" echoes; say /about to it. Stop with Ctrl-C.

            ready

            """
    }
}
