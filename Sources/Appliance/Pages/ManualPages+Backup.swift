// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/08-backup.md.

// swift-format-ignore-file

extension ManualPages {
    static let backup = ManualPage(
        name: "backup", title: "Backup and restore",
        html: ##"""
        <h1>Backup and restore</h1>
        <p>A backup is made while the server serves. It is sealed as the data is: copies can lie anywhere, as long as the root key does not lie beside them.</p>
        <pre><code>gatehouse backup create
        gatehouse backup list</code></pre>
        <p>The files go to a new folder below <code>[store] backup</code>; the keys go to <code>keys</code> there, in the place of those from before. So an old backup is opened with keys of today, and does not bring back what was deleted since. Whoever copies it elsewhere takes the newest <code>keys</code> with it and keeps no older ones.</p>
        <p>Read every page, and compare the log with what was signed:</p>
        <pre><code>gatehouse store verify
        gatehouse audit verify</code></pre>
        <p>Add a second way to unlock the store, and keep what it prints in a safe:</p>
        <pre><code>gatehouse store slots add --recovery --name safe
        gatehouse store slots</code></pre>
        <p>To restore: stop the server and put an empty directory in the place of <code>data</code>. Nothing is ever overwritten.</p>
        <pre><code>mv data data.old
        gatehouse backup restore --from data.old/backup
        gatehouse store verify</code></pre>
        <p>What was stored, changed, withdrawn or revoked after the backup is as it was before: look through keys and consents. Every session has ended.</p>
        """##)
}
