// SPDX-License-Identifier: Apache-2.0

package import EventLoop
package import JSON

/// Runs code in a box, for modules whose models write some. Played by Sandbox.
///
/// It runs the code and nothing else: stages of the exchange (limits, audit) are passed by whoever calls, before.
package protocol CodeRunner: Sendable {
    /// Whether this server runs code at all, now.
    var runsCode: Bool { get }

    /// - Throws: where it was not begun: `overloaded`, `disabled`.
    func run(_ task: CodeTask) async throws(Failure) -> CodeOutcome

    /// Files that the tenant keeps, for a run: what a client named by its ids.
    ///
    /// - Throws: `not_found`, `insufficient_scope`, `payload_too_large`.
    func open(_ ids: [String], for exchange: Exchange) async throws(Failure) -> [CodeFile]
}

/// Python to be run once, for whom, with which files beside it.
package struct CodeTask: Sendable {
    package let tenant: TenantID?
    /// The loop of whoever waits.
    package let loop: EventLoop
    /// Fires when nobody waits any more; what runs is killed then.
    package let cancellation: Cancellation
    package let code: String
    /// Paths below the workspace, as bytes, and what is in them.
    package var files: [CodeFile]
    /// The exchange that it belongs to; on the same loop.
    package var exchange: Exchange?
    /// Whether what the run leaves is kept, where the tenant has agreed to that and the exchange's key may.
    package var keepsFiles: Bool

    package init(
        tenant: TenantID?, loop: EventLoop, cancellation: Cancellation, code: String, files: [CodeFile] = [],
        exchange: Exchange? = nil, keepsFiles: Bool = false
    ) {
        self.tenant = tenant
        self.loop = loop
        self.cancellation = cancellation
        self.code = code
        self.files = files
        self.exchange = exchange
        self.keepsFiles = keepsFiles
    }
}

package struct CodeFile: Sendable, Equatable {
    package var name: [UInt8]
    package var content: [UInt8]

    package init(name: [UInt8], content: [UInt8]) {
        self.name = name
        self.content = content
    }
}

/// What came of it.
package struct CodeOutcome: Sendable {
    /// As `POST /v1/executions` answers it.
    package let json: JSONObject
    package let output: String
    package let errors: String
    /// Nil where a signal or a limit ended it.
    package let exitCode: Int?
    /// `ok`, `error`, `timeout` …
    package let status: String
    /// Files that are new or changed.
    package let files: [CodeFile]

    package init(
        json: JSONObject, output: String, errors: String, exitCode: Int?, status: String, files: [CodeFile]
    ) {
        self.json = json
        self.output = output
        self.errors = errors
        self.exitCode = exitCode
        self.status = status
        self.files = files
    }
}
