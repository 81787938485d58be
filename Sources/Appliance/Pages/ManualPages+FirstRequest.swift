// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/02-first-request.md.

// swift-format-ignore-file

extension ManualPages {
    static let firstRequest = ManualPage(
        name: "first-request", title: "First request",
        html: ##"""
        <h1>First request</h1>
        <p>Programs come with a key. It is shown once; Gatehouse keeps its first twelve characters and a digest.</p>
        <pre><code>gatehouse key create --name laptop</code></pre>
        <p>For a script, as JSON:</p>
        <pre><code>export GATEHOUSE_KEY=$(gatehouse key create --name script --json | sed &#x27;s/.*&quot;key&quot;:&quot;\([^&quot;]*\)&quot;.*/\1/&#x27;)</code></pre>
        <p>Ask the built-in model, which echoes. The certificate that <code>setup</code> made is not known to your programs, so they are told of it; with one of your own that line goes.</p>
        <pre><code>curl --fail-with-body --cacert tls/cert.pem https://localhost:8443/v1/chat/completions \
          -H &quot;authorization: Bearer $GATEHOUSE_KEY&quot; -H &quot;content-type: application/json&quot; \
          -d &#x27;{&quot;model&quot;:&quot;builtin&quot;,&quot;messages&quot;:[{&quot;role&quot;:&quot;user&quot;,&quot;content&quot;:&quot;hello&quot;}]}&#x27;</code></pre>
        <p>SDKs need the base URL and the key, and nothing else: <code>https://localhost:8443/v1</code> for OpenAI&#x27;s, <code>https://localhost:8443</code> for Anthropic&#x27;s. The same model answers both.</p>
        <pre><code>curl --fail-with-body --cacert tls/cert.pem https://localhost:8443/v1/messages \
          -H &quot;x-api-key: $GATEHOUSE_KEY&quot; -H &quot;anthropic-version: 2023-06-01&quot; -H &quot;content-type: application/json&quot; \
          -d &#x27;{&quot;model&quot;:&quot;builtin&quot;,&quot;max_tokens&quot;:50,&quot;messages&quot;:[{&quot;role&quot;:&quot;user&quot;,&quot;content&quot;:&quot;hello&quot;}]}&#x27;
        curl --fail-with-body --cacert tls/cert.pem https://localhost:8443/v1/models -H &quot;authorization: Bearer $GATEHOUSE_KEY&quot;</code></pre>
        <p>What was used shows within seconds, and what happened at once:</p>
        <pre><code>gatehouse usage
        gatehouse audit tail -n 3</code></pre>
        <p>An answer that refuses has a code, a sentence and a request id. With the id the operator finds the cause:</p>
        <pre><code>gatehouse audit search --code missing_credential</code></pre>
        """##)
}
