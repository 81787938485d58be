// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import EventLoop
import Platform

/// Reads the log for routes: on its own thread, some at a time.
final class AuditReader: Sendable {
    /// Searches that may wait.
    private static let queueMax = 32

    let search: LogSearch
    private let worker: Worker
    private let cursors: AES256GCM
    private let names: HMACSHA256

    init(_ search: LogSearch, cursorKey: SecretBytes) throws(StartFailure) {
        self.search = search
        do {
            worker = try Worker(name: "audit-reader", queueMax: Self.queueMax)
            cursors = try AES256GCM(key: cursorKey)
        } catch {
            throw StartFailure("the audit log's reader cannot be started: \(error)")
        }
        names = HMACSHA256(key: cursorKey)
    }

    func stop() {
        worker.stop()
        worker.join()
    }

    func page(_ filter: RecordFilter, below end: Int, limit: Int) async throws(Failure) -> LogSearch.Found {
        do throws(Worker.Failure<LogReader.Failure>) {
            return try await worker.run { [search] () throws(LogReader.Failure) in
                try search.page(filter, below: end, limit: limit)
            }
        } catch {
            switch error {
            case .refused:
                throw Failure(.overloaded, "too many are reading the audit log").retrying(after: .seconds(1))
            case .failed(let failure):
                throw Failure(.internal, "the audit log cannot be read", cause: failure.description)
            }
        }
    }

    // MARK: Names of records

    // A sequence counts the records of all tenants together: how many there are of others is nobody's business. So a
    // tenant's records have names without order, and a cursor is sealed, for one tenant.

    /// `aud_` and 26 characters.
    func id(of sequence: Int) -> String {
        var message: [UInt8] = []
        message.appendBigEndian(UInt64(sequence))
        let bytes = names.code(of: message).bytes
        return ULID.make(prefix: "aud_", high: bytes.bigEndian(at: 0), low: bytes.bigEndian(at: 8))
    }

    func cursor(_ sequence: Int, of tenant: TenantID?) -> String {
        let nonce = Random.bytes(AES256GCM.nonceByteCount)
        var text: [UInt8] = []
        text.appendBigEndian(UInt64(sequence))
        let data = Array((tenant?.text ?? "").utf8)
        guard let sealed = try? cursors.seal(text.span, nonce: nonce.span, associatedData: data.span) else { return "" }
        return Base64.encode(nonce + sealed, alphabet: .url, isPadded: false)
    }

    /// - Throws: `invalid_parameter` for what this server has not given to this tenant.
    func sequence(ofCursor cursor: String?, _ tenant: TenantID?) throws(Failure) -> Int {
        guard let cursor else { return .max }
        let data = Array((tenant?.text ?? "").utf8)
        guard let bytes = Base64.decode(cursor, alphabet: .url, isPadded: false),
            bytes.count > AES256GCM.nonceByteCount,
            let text = try? cursors.open(
                bytes.span.extracting(AES256GCM.nonceByteCount...),
                nonce: bytes.span.extracting(..<AES256GCM.nonceByteCount), associatedData: data.span),
            text.count == 8, let sequence = Int(exactly: text.bigEndian(at: 0))
        else { throw Failure(.invalidParameter, "is no cursor of this list", param: "after") }
        return sequence
    }
}
