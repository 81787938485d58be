// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/05-nodes.md.

// swift-format-ignore-file

extension ManualPages {
    static let nodes = ManualPage(
        name: "nodes", title: "Nodes",
        html: ##"""
        <h1>Nodes</h1>
        <p>A node is a model with instructions under a name of its tenant&#x27;s, versioned. Programs make one with a key that has the scopes for it:</p>
        <pre><code>export NODE_KEY=$(gatehouse key create --name nodes --scope chat --scope nodes.read --scope nodes.write --json | sed &#x27;s/.*&quot;key&quot;:&quot;\([^&quot;]*\)&quot;.*/\1/&#x27;)
        curl --fail-with-body --cacert tls/cert.pem https://localhost:8443/v1/nodes \
          -H &quot;authorization: Bearer $NODE_KEY&quot; -H &quot;content-type: application/json&quot; \
          -d &#x27;{&quot;alias&quot;:&quot;desk&quot;,&quot;model&quot;:&quot;builtin&quot;,&quot;system_prompt&quot;:&quot;You answer for the front desk.&quot;}&#x27;</code></pre>
        <p>Stock SDKs call it as a model, <code>node/desk</code>:</p>
        <pre><code>curl --fail-with-body --cacert tls/cert.pem https://localhost:8443/v1/chat/completions \
          -H &quot;authorization: Bearer $NODE_KEY&quot; -H &quot;content-type: application/json&quot; \
          -d &#x27;{&quot;model&quot;:&quot;node/desk&quot;,&quot;messages&quot;:[{&quot;role&quot;:&quot;user&quot;,&quot;content&quot;:&quot;When do you open?&quot;}]}&#x27;</code></pre>
        <p>Or they keep a conversation at it. <code>correlation_id</code> names it in the caller&#x27;s own words:</p>
        <pre><code>curl --fail-with-body --cacert tls/cert.pem https://localhost:8443/v1/nodes/desk/chat \
          -H &quot;authorization: Bearer $NODE_KEY&quot; -H &quot;content-type: application/json&quot; \
          -d &#x27;{&quot;content&quot;:&quot;When do you open?&quot;,&quot;correlation_id&quot;:&quot;case-7&quot;}&#x27;
        gatehouse node list --tenant default</code></pre>
        <p>Without consent the conversation lives in memory, an hour from its last turn. With the consent of an admin of the tenant, given in a session, threads, messages and files are kept in the tenant&#x27;s own sealed file, until their retention or their deletion; a request with <code>x-zdr: true</code> or <code>&quot;store&quot;: false</code> keeps nothing all the same.</p>
        <pre><code>gatehouse consent list --tenant default
        gatehouse thread list --tenant default
        gatehouse plan set team --retention threads=90d</code></pre>
        <p>The operator sees ids, sizes and times. Content only by <code>gatehouse break-glass</code>, with a reason that the tenant reads.</p>
        """##)
}
