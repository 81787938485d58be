// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Reads one answer as its bytes come in: interim heads, the head, the body. It has no socket: bytes are put in, and
/// what they mean is taken out.
struct ResponseReader {
    private enum Phase {
        case head
        case length(remaining: Int)
        case chunked
        case untilClose
        case end
    }

    private let method: Method
    private let limits: ResponseHead.Limits
    private let bodyBytesMax: Int

    private var phase = Phase.head
    /// Of a chunked body. It stands beside its phase: taken out of it and put back, the line it collects would be copied
    /// for each piece in which it comes.
    private var decoder: ChunkedDecoder
    private var scanner: HeadScanner
    private var interimResponses = 0
    private var bodyBytes = 0
    /// Received and not consumed yet.
    private var input = InputBuffer()
    /// True once a byte has come.
    private(set) var hasBegun = false

    /// - Parameter method: of the request, since an answer to HEAD has no body.
    init(answering method: Method, _ limits: ResponseHead.Limits, bodyBytesMax: Int) {
        self.method = method
        self.limits = limits
        self.bodyBytesMax = bodyBytesMax
        scanner = HeadScanner(limits)
        decoder = ChunkedDecoder(trailersMax: limits.fieldsMax)
    }

    /// True once the last byte of the answer has been taken.
    var isAtEnd: Bool {
        if case .end = phase { return true }
        return false
    }

    /// True once the last byte has come, taken or not, as far as that can be told without taking.
    var hasAll: Bool {
        if case .length(let remaining) = phase { return input.count >= remaining }
        return isAtEnd
    }

    /// True if nothing has come behind the end of the answer. What comes there was not asked for, and makes everything
    /// that follows on this connection doubtful.
    var isClean: Bool { isAtEnd && input.isEmpty }

    /// Puts in what a read gave.
    mutating func receive(_ bytes: consuming [UInt8]) {
        hasBegun = hasBegun || !bytes.isEmpty
        input.append(bytes)
    }

    /// The connection has ended in good order.
    ///
    /// - Throws: `.interrupted` when the answer has not.
    mutating func receiveEnd() throws(ClientFailure) {
        switch phase {
        case .untilClose where input.isEmpty: phase = .end
        case .end: break
        default: throw .interrupted
        }
    }

    /// The head of the answer; nil until it is complete. Interim heads are passed over (RFC 9110 §15.2).
    mutating func nextHead() throws(ClientFailure) -> ResponseHead? {
        while true {
            guard input.beginsLikeAnAnswer else { throw .malformed("not an HTTP/1 answer") }
            switch input.find(&scanner) {
            case .wait: return nil
            case .refuse(let defect): throw ClientFailure(ResponseHead.Defect(defect))
            case .head(let range):
                let start = input.start
                let (place, count) = (start + range.lowerBound..<start + range.upperBound, scanner.fieldCount)
                let method = method
                let head = try input.lend { (bytes) throws(ClientFailure) in
                    try Self.parse(bytes, place, count, method)
                }
                input.consume(range.upperBound)
                guard head.status.isInterim else {
                    begin(head.framing)
                    return head
                }
                // Nothing here asks for an upgrade, so nobody may answer with another protocol.
                guard head.status.code != 101 else { throw .malformed("a change of protocol nobody asked for") }
                interimResponses += 1
                guard interimResponses <= HTTPMaxima.interimResponses else {
                    throw .malformed("too many interim answers")
                }
                self.scanner = HeadScanner(limits)
                guard !input.isEmpty else { return nil }
            }
        }
    }

    /// What has come of the body; nil when more has to be read, or `isAtEnd`. Never empty.
    mutating func nextData() throws(ClientFailure) -> [UInt8]? {
        switch phase {
        case .head, .end: return nil
        case .length(let remaining):
            // Known from the head, and so refused before any of it is read.
            guard remaining <= bodyBytesMax - bodyBytes else { throw .tooLarge }
            guard !input.isEmpty else { return nil }
            let data = take(remaining)
            phase = data.count == remaining ? .end : .length(remaining: remaining - data.count)
            return try count(data)
        case .chunked:
            guard !input.isEmpty else { return nil }
            var data: [UInt8] = []
            data.reserveCapacity(input.count)
            // A span of the property would keep the decoder beside it from changing.
            let bytes = input.bytes
            let received = bytes.span.extracting(input.range)
            let consumed: Int
            do throws(ChunkedDecoder.Defect) {
                consumed = try decoder.decode(received, into: &data, outputMax: .max)
            } catch {
                throw error == .trailersTooLarge ? .tooLarge : .malformed("chunked body")
            }
            input.consume(consumed)
            if decoder.isAtEnd { phase = .end }
            return data.isEmpty ? nil : try count(data)
        case .untilClose:
            guard !input.isEmpty else { return nil }
            return try count(take(.max))
        }
    }

    private static func parse(
        _ bytes: borrowing [UInt8], _ range: Range<Int>, _ fieldCount: Int, _ method: Method
    ) throws(ClientFailure) -> ResponseHead {
        do throws(ResponseHead.Defect) {
            return try ResponseHead(in: bytes, range, fieldCount: fieldCount, method: method)
        } catch {
            throw ClientFailure(error)
        }
    }

    private mutating func begin(_ framing: BodyFraming) {
        switch framing {
        case .none: phase = .end
        case .length(let bytes): phase = .length(remaining: bytes)
        case .chunked: phase = .chunked
        case .untilClose: phase = .untilClose
        }
    }

    private mutating func take(_ max: Int) -> [UInt8] { input.take(max) }

    private mutating func count(_ data: [UInt8]) throws(ClientFailure) -> [UInt8] {
        bodyBytes += data.count
        guard bodyBytes <= bodyBytesMax else { throw .tooLarge }
        return data
    }
}

extension ClientFailure {
    fileprivate init(_ defect: ResponseHead.Defect) {
        switch defect {
        case .malformedStatusLine: self = .malformed("status line")
        case .unsupportedVersion: self = .malformed("version of HTTP")
        case .bareLineFeed: self = .malformed("line end")
        case .malformedField: self = .malformed("header field")
        case .ambiguousFraming: self = .malformed("framing of the body")
        case .tooLarge: self = .tooLarge
        }
    }
}

extension InputBuffer {
    fileprivate var beginsLikeAnAnswer: Bool { bytes.span.extracting(range).beginsLikeAnAnswer }
}

extension Span where Element == UInt8 {
    /// True unless the first bytes, as far as they are there, show that this is something else: whatever speaks another
    /// protocol would otherwise hold the request until a time limit.
    fileprivate var beginsLikeAnAnswer: Bool {
        // Mostly all of them are there.
        if count >= 8 { return word(at: 0) & 0xFF_FFFF_FFFF == HTTPVersionWord.http11 & 0xFF_FFFF_FFFF }
        let expected: [5 of UInt8] = [0x48, 0x54, 0x54, 0x50, 0x2F]  // HTTP/
        for index in 0..<Swift.min(5, count) where self[index] != expected[index] { return false }
        return true
    }
}
