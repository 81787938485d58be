// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/01-install.md.

// swift-format-ignore-file

extension ManualPages {
    static let install = ManualPage(
        name: "install", title: "Install",
        html: ##"""
        <h1>Install</h1>
        <p>Gatehouse is one program with one configuration file and one data directory. On Debian 12 or later, install the package:</p>
        <pre><code>apt install ./gatehouse_0.1.0_amd64.deb
        gatehouse setup --host ai.example.org --yes
        systemctl enable --now gatehouse</code></pre>
        <p><code>setup</code> writes <code>/etc/gatehouse/gatehouse.toml</code>, a root key and, where you name no certificate, a self-signed one. What is there already it keeps. <strong>Copy <code>/etc/gatehouse/root.key</code> to another place now</strong>: without it nothing in the data directory can be read, by anybody.</p>
        <p>Anywhere else the program alone does. It writes its first configuration wherever you say:</p>
        <pre><code>gatehouse version
        gatehouse setup --yes --host localhost --listen 127.0.0.1:8443 --directory . --data ./data
        gatehouse check</code></pre>
        <p>Then it serves, until it is told to stop:</p>
        <pre><code>gatehouse serve</code></pre>
        <p>In the package systemd does that. <code>gatehouse doctor</code> looks at the host, the files and the running server, and says what to mend; its exit code is 0 where nothing is worse than a note, 3 where something should be mended, 1 where something does not protect.</p>
        <pre><code>gatehouse doctor || test $? = 3</code></pre>
        <p>At port 443, which systemd can hold for it, connections wait while the service restarts, and are not refused:</p>
        <pre><code>systemctl stop gatehouse
        systemctl enable --now gatehouse.socket
        systemctl start gatehouse</code></pre>
        <p>Removing the package keeps configuration, root key and data. Purging it keeps nothing.</p>
        """##)
}
