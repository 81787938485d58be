// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/03-configuration.md.

// swift-format-ignore-file

extension ManualPages {
    static let configuration = ManualPage(
        name: "configuration", title: "Configuration",
        html: ##"""
        <h1>Configuration</h1>
        <p>One TOML file. Gatehouse looks for <code>./gatehouse.toml</code>, then for <code>/etc/gatehouse/gatehouse.toml</code>; <code>--config FILE</code> names another. Every section turns a part on: without <code>[sandbox]</code> there is no sandbox, and its routes do not exist. Every key is explained in <code>gatehouse.toml(5)</code> and in <code>/usr/share/gatehouse/gatehouse.toml</code>, where it stands at its default.</p>
        <pre><code>mode = &quot;development&quot;
        data = &quot;./data&quot;

        [store]
        unlock = [&quot;file:./root.key&quot;]
        [audit]
        [auth]
        [limiter]
        [nodes]
        [admin]

        [gateway]
        [[gateway.provider]]
        name = &quot;openai&quot;
        kind = &quot;openai&quot;
        key = &quot;keyring:openai&quot;

        [[gateway.model]]
        name = &quot;fast&quot;
        provider = &quot;openai&quot;
        upstream = &quot;gpt-4o-mini&quot;
        input_price = &quot;0.15&quot;
        output_price = &quot;0.60&quot;</code></pre>
        <p>A secret never stands in the file. It is in a file (<code>file:</code>), a variable (<code>env:</code>), a systemd credential (<code>credential:</code>) or in the encrypted keyring (<code>keyring:</code>), where a key is set from a pipe or typed, and never given on the command line:</p>
        <pre><code>printf &#x27;sk-example&#x27; | gatehouse provider set-key openai
        gatehouse provider list
        gatehouse provider remove-key openai --yes</code></pre>
        <p><code>check</code> says what is wrong with a file, with line, column and what was probably meant, and starts nothing. A running server takes a changed file over on SIGHUP, after the same check, and says what needs a restart.</p>
        <pre><code>gatehouse check
        gatehouse routes</code></pre>
        <pre><code>gatehouse check
        systemctl reload gatehouse</code></pre>
        """##)
}
