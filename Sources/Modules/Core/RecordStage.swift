// SPDX-License-Identifier: Apache-2.0

package import HTTP

/// The stage that writes down what happens: the intent when an exchange enters it, the outcome before the last byte of the
/// answer; it has nothing to settle after that. Played by Audit; a server without that section has none.
package protocol RecordStage: PromptStage {
    /// Writes down how an exchange ended. Called once for each exchange that came to a route, also for one that was refused
    /// before this stage; whether that is worth a record is decided here.
    ///
    /// - Throws: `audit_unavailable`: then the answer must not leave whole.
    func conclude(_ exchange: Exchange, _ outcome: Outcome) async throws(Failure)

    /// `conclude` where nobody has to wait: there is nothing to write, or it is written before anything leaves. False where
    /// `conclude` has to be called.
    func concludeNow(_ exchange: Exchange, _ outcome: Outcome) -> Bool

    /// Notes a refusal at a door, before any route was found.
    func note(_ code: ErrorCode, requestID: String, peer: Peer)
}

extension Exchange {
    /// `conclude` where nobody has to wait; false where the recorder has still to be waited for.
    func concludeNow(_ outcome: Outcome) -> Bool {
        guard !isConcluded else { return true }
        isConcluded = true
        isWrittenDown = recorder.map { $0.concludeNow(self, outcome) } ?? true
        return isWrittenDown
    }

    /// Writes down how this exchange ended, if it has not been done yet.
    ///
    /// - Throws: `audit_unavailable`: then the answer must not leave whole.
    package func conclude(_ outcome: Outcome) async throws(Failure) {
        if !concludeNow(outcome) { try await record(outcome) }
    }

    /// Goes on where `concludeNow` could not.
    func record(_ outcome: Outcome) async throws(Failure) {
        try await recorder?.conclude(self, outcome)
        isWrittenDown = true
    }
}
