// SPDX-License-Identifier: Apache-2.0

package import EventLoop
import HTTP
package import JSON
package import Platform

/// One kind of thing in the archive that a tenant takes its data away with. Given by the module that keeps it.
package struct ArchivePart: Sendable {
    /// As its files are called (`threads-00001.jsonl`).
    package let name: String
    /// What is in it, for the archive's manifest.
    package let what: String
    /// The tables of the tenant that it tells all of.
    package let tables: [String]
    /// Does what has to be done first, and may be refused: before the first byte, when the client can still be told.
    package let prepare: @Sendable (TenantID, EventLoop) async throws(Failure) -> Void
    /// Reads the tenant's data some at a time and writes it.
    package let write: @Sendable (TenantID, TenantArchive) async throws(Failure) -> Void

    package init(
        _ name: String, _ what: String, tables: [String],
        prepare: @escaping @Sendable (TenantID, EventLoop) async throws(Failure) -> Void = { _, _ in },
        _ write: @escaping @Sendable (TenantID, TenantArchive) async throws(Failure) -> Void
    ) {
        (self.name, self.what, self.tables, self.prepare, self.write) = (name, what, tables, prepare, write)
    }
}

/// The archive on its way to the client: a tar file (POSIX.1-1988, "ustar"), written as it is made.
///
///     <folder>/manifest.json            what is in the archive
///     <folder>/<part>-00001.jsonl       one JSON object a line; the next file begins behind a megabyte
///     <folder>/files/<id>               content as it was uploaded
///
/// A tar file says of each member how long it is before its content comes, so lines are gathered up to a megabyte; nothing
/// else is held. Belongs to the exchange's loop.
package final class TenantArchive: @unchecked Sendable {
    private let exchange: Exchange
    private let folder: String
    private let time: WallTime
    private var part = ""
    private var number = 0
    private var lines: [UInt8] = []
    private var hasBegun = false

    /// Lines in one file.
    private static let fileBytesMax = 1 << 20
    private static let blockBytes = 512
    /// What a tar header can say of a length: eleven octal digits.
    private static let memberBytesMax = 1 << 33 - 1

    /// - Parameter folder: what all its files lie in; short, and of letters, digits and `_-`.
    package init(_ exchange: Exchange, folder: String, at time: WallTime) {
        (self.exchange, self.folder, self.time) = (exchange, folder, time)
    }

    /// Where it is written.
    package var loop: EventLoop { exchange.request.loop }

    /// Begins the files of a part.
    package func begin(_ part: String) {
        (self.part, number) = (part, 0)
    }

    /// Adds a line to the part.
    package func add(_ object: JSONObject) async throws(Failure) {
        lines += JSONValue.object(object).serialized()
        lines.append(UInt8(ascii: "\n"))
        if lines.count >= Self.fileBytesMax { try await flush() }
    }

    /// Ends the part. One without a line has no file.
    package func end() async throws(Failure) {
        if !lines.isEmpty { try await flush() }
    }

    /// A file of its own, whose content is in memory.
    package func add(file name: String, _ content: [UInt8]) async throws(Failure) {
        try await beginFile(name, bytes: content.count)
        try await write(content)
        try await endFile(bytes: content.count)
    }

    /// A file of its own, whose content follows by `write`, and then `endFile`.
    package func beginFile(_ name: String, bytes: Int) async throws(Failure) {
        guard bytes <= Self.memberBytesMax else { throw Failure(.internal, "a file is too large for the archive") }
        try await write(header("\(folder)/\(name)", bytes: bytes))
    }

    package func write(_ bytes: [UInt8]) async throws(Failure) {
        // Revoked in between, a credential takes nothing more away.
        guard exchange.principal?.lifeline?.isEnded != true else { throw AnswerStream.revocation }
        do throws(IOFailure) {
            if !hasBegun {
                hasBegun = true
                exchange.answerFields.append("content-disposition", "attachment; filename=\"\(folder).tar\"")
                try exchange.begin(status: 200, contentType: "application/x-tar", exchange.answerFields)
            }
            try await exchange.response.write(bytes)
        } catch {
            throw Failure(.requestTimeout, "the client is gone")
        }
    }

    package func endFile(bytes: Int) async throws(Failure) {
        let rest = bytes % Self.blockBytes
        if rest > 0 { try await write([UInt8](repeating: 0, count: Self.blockBytes - rest)) }
    }

    /// Ends the archive, once all of it has been written down as an exchange is.
    package func finish() async throws(Failure) {
        try await write([UInt8](repeating: 0, count: 2 * Self.blockBytes))
        try await exchange.conclude(.answered(status: 200))
        do throws(IOFailure) {
            try await exchange.response.finish()
        } catch {
            throw Failure(.requestTimeout, "the client is gone")
        }
    }

    private func flush() async throws(Failure) {
        number += 1
        let digits = String(number)
        let name = "\(part)-\(String(repeating: "0", count: max(0, 5 - digits.utf8.count)))\(digits).jsonl"
        let content = lines
        lines = []
        try await add(file: name, content)
    }

    /// pax(1), "ustar Interchange Format": every field at its fixed place, numbers in octal.
    private func header(_ name: String, bytes: Int) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: Self.blockBytes)
        func put(_ text: String, at place: Int, max: Int) {
            for (index, byte) in text.utf8.prefix(max).enumerated() { header[place + index] = byte }
        }
        func octal(_ number: Int, digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: Swift.max(0, digits - text.utf8.count)) + text
        }
        put(name, at: 0, max: 100)
        put("0000600", at: 100, max: 7)
        put("0000000", at: 108, max: 7)
        put("0000000", at: 116, max: 7)
        put(octal(bytes, digits: 11), at: 124, max: 11)
        put(octal(Int(Swift.max(0, time.seconds)), digits: 11), at: 136, max: 11)
        // The sum is reckoned with blanks in its own place.
        put("        ", at: 148, max: 8)
        put("0", at: 156, max: 1)
        put("ustar", at: 257, max: 5)
        put("00", at: 263, max: 2)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(octal(sum, digits: 6), at: 148, max: 6)
        header[154] = 0
        return header
    }
}

extension TenantArchive {
    /// How long a store that is busy is asked again.
    private static let patience = Duration.seconds(60)
    private static let pause = Duration.milliseconds(100)

    /// Reads something, and again where whoever keeps it has too much to do. An answer that has begun can only go on or be cut
    /// off; a store that is busy for a moment is no reason to cut it off.
    package func patiently<Result: Sendable>(
        _ read: () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let deadline = Instant.now() + Self.patience
        while true {
            do throws(Failure) {
                return try await read()
            } catch {
                guard error.code == .overloaded, Instant.now() < deadline else { throw error }
            }
            await loop.sleep(Self.pause)
        }
    }

    /// Writes a part page by page.
    ///
    /// - Parameter read: the next elements, behind a cursor.
    package func pages<Element: Sendable>(
        _ read: (Page) async throws(Failure) -> Slice<Element>, cursor: (Element) -> String,
        _ body: (Element) -> JSONObject
    ) async throws(Failure) {
        var page = Page(limit: Page.limitMax, order: .ascending)
        while true {
            let wanted = page
            let slice = try await patiently { () async throws(Failure) in try await read(wanted) }
            for element in slice.elements { try await add(body(element)) }
            guard slice.hasMore, let last = slice.elements.last else { return }
            page.after = cursor(last)
        }
    }
}
