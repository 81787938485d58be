// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/09-upgrading.md.

// swift-format-ignore-file

extension ManualPages {
    static let upgrading = ManualPage(
        name: "upgrading", title: "Upgrading",
        html: ##"""
        <h1>Upgrading</h1>
        <p>Make a backup, install the newer package, look at the log. The package keeps configuration and data; the service finishes what is under way and starts anew, and with <code>gatehouse.socket</code> nobody is refused meanwhile.</p>
        <pre><code>gatehouse backup create</code></pre>
        <pre><code>apt install ./gatehouse_0.2.0_amd64.deb
        systemctl status gatehouse
        gatehouse doctor</code></pre>
        <p>Tables are brought up to date at the first start, in one transaction each. An older version does not open what a newer one has written: to go back, restore the backup.</p>
        <p>Certificates that are replaced are taken up within seconds. Keys are renewed while the server serves:</p>
        <pre><code>gatehouse store rotate epoch
        gatehouse store status</code></pre>
        <p>What the server promises is tried by the server itself. After an upgrade, try all of it at once:</p>
        <pre><code>gatehouse controls --check || test $? = 3</code></pre>
        <p>Everybody can read what holds at <code>/security</code>.</p>
        """##)
}
