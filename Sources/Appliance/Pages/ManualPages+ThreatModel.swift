// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/10-threat-model.md.

// swift-format-ignore-file

extension ManualPages {
    static let threatModel = ManualPage(
        name: "threat-model", title: "Threat model",
        html: ##"""
        <h1>Threat model</h1>
        <p>What is defended, against whom, and what is not.</p>
        <p><strong>Somebody on the network</strong> meets TLS 1.3, a strict reading of HTTP, a guard on every route and a limit on every attempt. Plain HTTP leads to HTTPS and does nothing else; a key that came over it is marked as exposed.</p>
        <p><strong>Somebody with a key</strong> reaches what its scopes, models, nodes and addresses say, of its own tenant, within its limits. Another tenant&#x27;s ids do not exist for it: each tenant is a file with a key of its own, opened by who calls and by nothing in the request.</p>
        <p><strong>Somebody with a copy of the disk or of a backup</strong> has sealed pages. Without the root key nothing opens; with the root key, what was deleted before the last change of the epoch&#x27;s key does not open either.</p>
        <p><strong>Somebody who can write to the disk</strong> is noticed: pages, files and log records do not fit their seals, and an older copy that is put back is named at the start.</p>
        <p><strong>A program of a model&#x27;s or a client&#x27;s</strong> runs in a box without network, privileges or the host&#x27;s files, tried from inside at each start.</p>
        <p><strong>A provider</strong> sees what is sent to it, with <code>store: false</code> where it knows that, never a caller&#x27;s credential, and its own key is taken out of everything it sends back.</p>
        <p><strong>An operator</strong> sees ids, sizes, times and counts. Content only by breaking the glass, which the tenant reads.</p>
        <p>Not defended: root on the machine while the server runs; a hole in the kernel that boxes share with the host; what a provider does with what it was sent; whoever guesses passwords from thousands of addresses, against which a second factor helps.</p>
        <p>See for yourself what was tried lately, and what is stored:</p>
        <pre><code>gatehouse controls || true
        gatehouse store inventory
        curl --fail-with-body --cacert tls/cert.pem https://localhost:8443/security.json</code></pre>
        """##)
}
