// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/04-keys.md.

// swift-format-ignore-file

extension ManualPages {
    static let keys = ManualPage(
        name: "keys", title: "Keys",
        html: ##"""
        <h1>Keys</h1>
        <p>A key belongs to a tenant and opens what its scopes say, <code>chat</code> and <code>embeddings</code> unless you say more. It can be narrowed to models, nodes and addresses, have limits of its own, and end.</p>
        <pre><code>gatehouse key create --name ci --model builtin --ip-range 127.0.0.0/8 --limit &quot;100 requests/minute&quot; --expires 30d
        gatehouse key list</code></pre>
        <p>Give a key another text without a gap: both work until the grace is over.</p>
        <pre><code>export KEY_ID=$(gatehouse key create --name rotated --json | sed &#x27;s/.*&quot;id&quot;:&quot;\(key_[^&quot;]*\)&quot;.*/\1/&#x27;)
        gatehouse key rotate $KEY_ID --grace 1h
        gatehouse key show $KEY_ID</code></pre>
        <p>Blocking is for a while, revoking for good. Both hold from the next request on, and break off what is being streamed.</p>
        <pre><code>gatehouse key block $KEY_ID
        gatehouse key unblock $KEY_ID
        gatehouse key revoke $KEY_ID</code></pre>
        <p>Tenants are apart: keys, nodes, threads, files and people of one are not there for another.</p>
        <pre><code>gatehouse tenant create acme
        gatehouse key create --name first --tenant acme
        gatehouse tenant list</code></pre>
        <p>People come in by a token that works once, set a password, and may set up a second factor. An operator reaches <code>/admin/v1/…</code> over HTTPS; a member, an admin or an owner reaches what is their tenant&#x27;s.</p>
        <pre><code>gatehouse operator invite
        gatehouse user invite ada@example.org --tenant acme --role owner
        gatehouse user list --tenant acme</code></pre>
        <p><code>gatehouse routes --audit</code> tries every guard of the running server with nothing, with false, expired and revoked keys, with the wrong scope and another tenant&#x27;s. It takes some minutes, since such attempts are limited.</p>
        """##)
}
