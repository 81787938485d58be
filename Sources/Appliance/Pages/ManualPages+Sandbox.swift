// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/07-sandbox.md.

// swift-format-ignore-file

extension ManualPages {
    static let sandbox = ManualPage(
        name: "sandbox", title: "Sandbox",
        html: ##"""
        <h1>Sandbox</h1>
        <p>With <code>[sandbox]</code> programs run in boxes: no network, no file of the host but its programs, limits on everything. Ask first whether this host can; what it lacks is named, and where a layer does not hold nothing is run. Limits want a control group of one&#x27;s own, which a service has and a shell has not:</p>
        <pre><code>systemd-run --scope --quiet -p Delegate=yes gatehouse sandbox check
        gatehouse sandbox languages</code></pre>
        <pre><code>echo &#x27;print(6 * 7)&#x27; &gt; hello.py
        systemd-run --scope --quiet -p Delegate=yes gatehouse sandbox run hello.py</code></pre>
        <p><code>POST /v1/executions</code> runs what a program sends, with files in and out, and a session keeps a workspace between runs, in memory. A request with the tool <code>{&quot;type&quot;:&quot;code_interpreter&quot;}</code> (Anthropic: <code>code_execution_…</code>) has a model&#x27;s programs run here, whichever provider&#x27;s the model is. Files that you keep go in by their ids: <code>container.file_ids</code> of the tool, or Anthropic&#x27;s blocks <code>container_upload</code>.</p>
        <p>In the package the keeper of the boxes is a service of its own, so that it can have control groups. In <code>[sandbox]</code>: <code>keeper = &quot;/run/gatehouse/sandbox.sock&quot;</code>, and</p>
        <pre><code>systemctl enable --now gatehouse-sandbox.socket
        systemctl restart gatehouse
        gatehouse doctor</code></pre>
        """##)
}
